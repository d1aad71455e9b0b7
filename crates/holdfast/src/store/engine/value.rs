//! Values bound to a statement and read from its rows, on either engine.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};
use uuid::Uuid;

use crate::clock;
use crate::store::StoreError;

/// A value to bind. `None` keeps its type, which Postgres needs.
#[derive(Clone)]
pub enum Value {
    /// `TEXT`.
    Text(Option<String>),
    /// `INTEGER` or `BIGINT`.
    Int(Option<i64>),
    /// `BLOB` or `BYTEA`.
    Bytes(Option<Vec<u8>>),
}

impl Value {
    fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Int(Some(number)) => ValueRef::Integer(*number),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Text(None) | Self::Int(None) | Self::Bytes(None) => ValueRef::Null,
        }
    }
}

/// Shows the type only: stored values must not be logged, sealed or not.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Int(_) => "Int",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// Lets a type and its `Option` be bound as a kind of column.
macro_rules! bound {
    ($($type:ty => $kind:ident, $to:expr;)+) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$kind(Some($to(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$kind(value.map($to))
            }
        }
    )+};
}

bound! {
    &str => Text, str::to_owned;
    String => Text, std::convert::identity;
    Uuid => Text, |id: Uuid| id.to_string();
    i64 => Int, std::convert::identity;
    u32 => Int, i64::from;
    bool => Int, i64::from;
    Timestamp => Int, Timestamp::as_millisecond;
    &[u8] => Bytes, <[u8]>::to_vec;
}

/// A row of a result.
pub(in crate::store) type Row = RowOf<Answered>;

/// A row of a result, with its cells in `C`.
pub(in crate::store) struct RowOf<C> {
    cells: C,
    /// The position to try first for the next column: rows are read in the order of their columns.
    next: Cell<usize>,
}

/// The cells of a row.
pub(in crate::store) trait Cells {
    /// The name of a column.
    fn name(&self, position: usize) -> Option<&str>;
    /// The value of a column; `None` where it is of another type.
    fn value<T: Column>(&self, position: usize) -> Option<T>;
    /// A text, borrowed from the row.
    fn text(&self, position: usize) -> Result<Option<&str>, NoText>;
}

/// The value is of another type.
pub(in crate::store) struct NoText;

/// The cells of a complete result.
pub(in crate::store) enum Answered {
    Sqlite(SqliteRow),
    Postgres(PgRow),
    Driven { columns: Arc<[String]>, values: Vec<Value> },
}

/// The cells of the current row of a SQLite statement.
pub(in crate::store) struct CurrentRow<'r> {
    pub(in crate::store) row: &'r rusqlite::Row<'r>,
    /// The names of the columns.
    pub(in crate::store) columns: &'r [String],
}

impl Cells for Answered {
    fn name(&self, position: usize) -> Option<&str> {
        match self {
            Self::Sqlite(row) => row.columns().get(position).map(sqlx::Column::name),
            Self::Postgres(row) => row.columns().get(position).map(sqlx::Column::name),
            Self::Driven { columns, .. } => columns.get(position).map(String::as_str),
        }
    }

    fn value<T: Column>(&self, position: usize) -> Option<T> {
        match self {
            Self::Sqlite(row) => row.try_get(position).ok(),
            Self::Postgres(row) => row.try_get(position).ok(),
            Self::Driven { values, .. } => values.get(position).and_then(|value| T::of_ref(value.borrowed())),
        }
    }

    fn text(&self, position: usize) -> Result<Option<&str>, NoText> {
        match self {
            Self::Sqlite(row) => row.try_get(position).map_err(|_| NoText),
            Self::Postgres(row) => row.try_get(position).map_err(|_| NoText),
            Self::Driven { values, .. } => text_of(values.get(position).ok_or(NoText)?.borrowed()),
        }
    }
}

impl Cells for CurrentRow<'_> {
    fn name(&self, position: usize) -> Option<&str> {
        self.columns.get(position).map(String::as_str)
    }

    fn value<T: Column>(&self, position: usize) -> Option<T> {
        self.row.get_ref(position).ok().and_then(T::of_ref)
    }

    fn text(&self, position: usize) -> Result<Option<&str>, NoText> {
        text_of(self.row.get_ref(position).map_err(|_| NoText)?)
    }
}

fn text_of(value: ValueRef<'_>) -> Result<Option<&str>, NoText> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => str::from_utf8(text).map(Some).map_err(|_| NoText),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Err(NoText),
    }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::of(Answered::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::of(Answered::Postgres(row))
    }
}

impl Row {
    /// A row that a driver returned.
    pub(in crate::store) fn driven(columns: &Arc<[String]>, values: Vec<Value>) -> Self {
        Self::of(Answered::Driven { columns: Arc::clone(columns), values })
    }
}

/// A type of columns.
pub(in crate::store) trait Column:
    Sized + for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
    /// Reads a borrowed value; `None` if it is of another type.
    fn of_ref(value: ValueRef<'_>) -> Option<Self>;
}

impl Column for Option<String> {
    fn of_ref(value: ValueRef<'_>) -> Option<Self> {
        text_of(value).ok().map(|text| text.map(str::to_owned))
    }
}

impl Column for Option<i64> {
    fn of_ref(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            ValueRef::Integer(number) => Some(Some(number)),
            ValueRef::Text(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl Column for Option<Vec<u8>> {
    fn of_ref(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            ValueRef::Blob(bytes) => Some(Some(bytes.to_vec())),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => None,
        }
    }
}

/// A column with an unexpected value. The mapping functions add table and row.
#[derive(Debug)]
pub(in crate::store) struct Unreadable {
    column: &'static str,
    why: &'static str,
}

impl Unreadable {
    pub(in crate::store) fn new(column: &'static str, why: &'static str) -> Self {
        Self { column, why }
    }

    pub(in crate::store) fn at(self, table: &'static str, row: &str) -> StoreError {
        StoreError::Corrupt {
            table,
            row: row.to_owned(),
            why: format!("column {}: {}", self.column, self.why),
        }
    }
}

const MISFIT: &str = "missing or of another type";

impl<C: Cells> RowOf<C> {
    pub(in crate::store) fn of(cells: C) -> Self {
        Self { cells, next: Cell::new(0) }
    }

    /// The position of a column. A look-up of each by name would cost more than the rest of reading
    /// a row.
    fn position(&self, column: &str) -> Option<usize> {
        let expected = self.next.get();
        let found = if self.cells.name(expected) == Some(column) {
            expected
        } else {
            (0..).map_while(|each| self.cells.name(each)).position(|name| name == column)?
        };
        self.next.set(found + 1);
        Some(found)
    }

    fn get<T: Column>(&self, column: &'static str) -> Result<T, Unreadable> {
        let value = self.position(column).and_then(|position| self.cells.value(position));
        value.ok_or(Unreadable::new(column, MISFIT))
    }

    fn required<T>(&self, column: &'static str) -> Result<T, Unreadable>
    where
        Option<T>: Column,
    {
        self.get::<Option<T>>(column)?.ok_or(Unreadable::new(column, MISFIT))
    }

    pub(in crate::store) fn text(&self, column: &'static str) -> Result<String, Unreadable> {
        self.required(column)
    }

    pub(in crate::store) fn opt_text(&self, column: &'static str) -> Result<Option<String>, Unreadable> {
        self.get(column)
    }

    /// A text, borrowed from the row.
    pub(in crate::store) fn opt_str(&self, column: &'static str) -> Result<Option<&str>, Unreadable> {
        match self.position(column).map(|position| self.cells.text(position)) {
            Some(Ok(text)) => Ok(text),
            Some(Err(NoText)) | None => Err(Unreadable::new(column, MISFIT)),
        }
    }

    /// Like [`Self::opt_str`], for a column that is never null.
    pub(in crate::store) fn str(&self, column: &'static str) -> Result<&str, Unreadable> {
        self.opt_str(column)?.ok_or(Unreadable::new(column, MISFIT))
    }

    pub(in crate::store) fn int(&self, column: &'static str) -> Result<i64, Unreadable> {
        self.required(column)
    }

    pub(in crate::store) fn opt_int(&self, column: &'static str) -> Result<Option<i64>, Unreadable> {
        self.get(column)
    }

    pub(in crate::store) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.required(column)
    }

    pub(in crate::store) fn opt_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, Unreadable> {
        self.get(column)
    }

    pub(in crate::store) fn hash(&self, column: &'static str) -> Result<[u8; 32], Unreadable> {
        self.bytes(column)?.try_into().map_err(|_| Unreadable::new(column, "not 32 bytes"))
    }

    pub(in crate::store) fn opt_hash(&self, column: &'static str) -> Result<Option<[u8; 32]>, Unreadable> {
        self.opt_bytes(column)?
            .map(|bytes| bytes.try_into().map_err(|_| Unreadable::new(column, "not 32 bytes")))
            .transpose()
    }

    pub(in crate::store) fn opt_flag(&self, column: &'static str) -> Result<Option<bool>, Unreadable> {
        Ok(self.opt_int(column)?.map(|flag| flag != 0))
    }

    pub(in crate::store) fn time(&self, column: &'static str) -> Result<Timestamp, Unreadable> {
        self.int(column).map(clock::from_millis)
    }

    pub(in crate::store) fn opt_time(&self, column: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        Ok(self.opt_int(column)?.map(clock::from_millis))
    }

    pub(in crate::store) fn id(&self, column: &'static str) -> Result<Uuid, Unreadable> {
        self.str(column)?.parse().map_err(|_| Unreadable::new(column, "not a UUID"))
    }

    pub(in crate::store) fn opt_id(&self, column: &'static str) -> Result<Option<Uuid>, Unreadable> {
        self.opt_str(column)?
            .map(|text| text.parse().map_err(|_| Unreadable::new(column, "not a UUID")))
            .transpose()
    }
}
