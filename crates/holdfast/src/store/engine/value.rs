//! Values bound to a statement and read from its rows, on either engine.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::{FromSqlResult, ValueRef};
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
        impl From<$type> for $crate::store::Value {
            fn from(value: $type) -> Self {
                Some(value).into()
            }
        }

        impl From<Option<$type>> for $crate::store::Value {
            fn from(value: Option<$type>) -> Self {
                Self::$kind(value.map($to))
            }
        }
    )+};
}

pub(in crate::store) use bound;

bound! {
    &str => Text, str::to_owned;
    String => Text, std::convert::identity;
    Uuid => Text, |id| id.to_string();
    i64 => Int, std::convert::identity;
    u32 => Int, i64::from;
    u64 => Int, |number| i64::try_from(number).unwrap_or(i64::MAX);
    usize => Int, |number| i64::try_from(number).unwrap_or(i64::MAX);
    bool => Int, i64::from;
    Timestamp => Int, Timestamp::as_millisecond;
    &[u8] => Bytes, <[u8]>::to_vec;
    Vec<u8> => Bytes, std::convert::identity;
    [u8; 32] => Bytes, |hash| hash.to_vec();
}

impl<T: Clone + Into<Value>> From<&T> for Value {
    fn from(value: &T) -> Self {
        value.clone().into()
    }
}

/// What is bound to the parameters of a statement, in their order.
macro_rules! values {
    ($($value:expr),+ $(,)?) => { vec![$($crate::store::Value::from($value)),+] };
}

pub(in crate::store) use values;

/// A row of a result.
pub(in crate::store) type Row = RowOf<Answered>;

/// A row of a result, with its cells in `C`.
pub(in crate::store) struct RowOf<C> {
    cells: C,
    /// The position to try first for the next column: rows are read in the order of their columns.
    next: Cell<usize>,
}

/// The cells of a row; `None` is null.
pub(in crate::store) trait Cells {
    /// The name of a column.
    fn name(&self, position: usize) -> Option<&str>;
    /// A `TEXT`, borrowed from the row.
    fn text(&self, position: usize) -> Result<Option<&str>, Misfit>;
    /// An `INTEGER` or `BIGINT`.
    fn int(&self, position: usize) -> Result<Option<i64>, Misfit>;
    /// A `BLOB` or `BYTEA`.
    fn bytes(&self, position: usize) -> Result<Option<Vec<u8>>, Misfit>;
}

/// The value is missing, or of another type.
pub(in crate::store) struct Misfit;

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

impl Answered {
    fn get<'r, T>(
        &'r self,
        position: usize,
        driven: impl FnOnce(ValueRef<'r>) -> FromSqlResult<Option<T>>,
    ) -> Result<Option<T>, Misfit>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(position).map_err(|_| Misfit),
            Self::Postgres(row) => row.try_get(position).map_err(|_| Misfit),
            Self::Driven { values, .. } => {
                driven(values.get(position).ok_or(Misfit)?.borrowed()).map_err(|_| Misfit)
            }
        }
    }
}

impl Cells for Answered {
    fn name(&self, position: usize) -> Option<&str> {
        match self {
            Self::Sqlite(row) => row.columns().get(position).map(sqlx::Column::name),
            Self::Postgres(row) => row.columns().get(position).map(sqlx::Column::name),
            Self::Driven { columns, .. } => columns.get(position).map(String::as_str),
        }
    }

    fn text(&self, position: usize) -> Result<Option<&str>, Misfit> {
        self.get(position, |value| value.as_str_or_null())
    }

    fn int(&self, position: usize) -> Result<Option<i64>, Misfit> {
        self.get(position, |value| value.as_i64_or_null())
    }

    fn bytes(&self, position: usize) -> Result<Option<Vec<u8>>, Misfit> {
        self.get(position, |value| Ok(value.as_blob_or_null()?.map(<[u8]>::to_vec)))
    }
}

impl CurrentRow<'_> {
    fn value(&self, position: usize) -> Result<ValueRef<'_>, Misfit> {
        self.row.get_ref(position).map_err(|_| Misfit)
    }
}

impl Cells for CurrentRow<'_> {
    fn name(&self, position: usize) -> Option<&str> {
        self.columns.get(position).map(String::as_str)
    }

    fn text(&self, position: usize) -> Result<Option<&str>, Misfit> {
        self.value(position)?.as_str_or_null().map_err(|_| Misfit)
    }

    fn int(&self, position: usize) -> Result<Option<i64>, Misfit> {
        self.value(position)?.as_i64_or_null().map_err(|_| Misfit)
    }

    fn bytes(&self, position: usize) -> Result<Option<Vec<u8>>, Misfit> {
        let bytes = self.value(position)?.as_blob_or_null().map_err(|_| Misfit)?;
        Ok(bytes.map(<[u8]>::to_vec))
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

    /// A column, as the type that is asked for. Only an `Option` takes null.
    pub(in crate::store) fn get<T: Get>(&self, column: &'static str) -> Result<T, Unreadable> {
        T::get(self, column)
    }

    /// A column as one of the [kinds of cells](Cells); `None` where it is null.
    pub(in crate::store) fn cell<'r, T>(
        &'r self,
        column: &'static str,
        read: impl FnOnce(&'r C, usize) -> Result<Option<T>, Misfit>,
    ) -> Result<Option<T>, Unreadable> {
        let value = self.position(column).ok_or(Misfit).and_then(|position| read(&self.cells, position));
        value.map_err(|Misfit| Unreadable::new(column, MISFIT))
    }
}

/// What a column is read as.
pub(in crate::store) trait Field: Sized {
    /// `None` where the column is null.
    fn read<C: Cells>(row: &RowOf<C>, column: &'static str) -> Result<Option<Self>, Unreadable>;
}

/// A [`Field`], or an `Option` of one.
pub(in crate::store) trait Get: Sized {
    fn get<C: Cells>(row: &RowOf<C>, column: &'static str) -> Result<Self, Unreadable>;
}

impl<T: Field> Get for T {
    fn get<C: Cells>(row: &RowOf<C>, column: &'static str) -> Result<Self, Unreadable> {
        T::read(row, column)?.ok_or(Unreadable::new(column, MISFIT))
    }
}

impl<T: Field> Get for Option<T> {
    fn get<C: Cells>(row: &RowOf<C>, column: &'static str) -> Result<Self, Unreadable> {
        T::read(row, column)
    }
}

/// Lets a type be read from a kind of cell, or says why a value does not fit.
macro_rules! fields {
    ($($type:ty => $kind:ident, $from:expr;)+) => {$(
        impl $crate::store::engine::Field for $type {
            fn read<C: $crate::store::engine::Cells>(
                row: &$crate::store::engine::RowOf<C>,
                column: &'static str,
            ) -> Result<Option<Self>, $crate::store::engine::Unreadable> {
                let value = row.cell(column, C::$kind)?.map($from).transpose();
                value.map_err(|why| $crate::store::engine::Unreadable::new(column, why))
            }
        }
    )+};
}

pub(in crate::store) use fields;

fields! {
    String => text, |text| Ok(text.to_owned());
    Uuid => text, |text| text.parse().map_err(|_| "not a UUID");
    i64 => int, Ok;
    u32 => int, |number| u32::try_from(number).map_err(|_| "out of range");
    u64 => int, |number| u64::try_from(number).map_err(|_| "negative");
    bool => int, |flag| Ok(flag != 0);
    Timestamp => int, |millis| Ok(clock::from_millis(millis));
    Vec<u8> => bytes, Ok;
    [u8; 32] => bytes, |bytes| bytes.try_into().map_err(|_| "not 32 bytes");
}

/// A struct whose fields are the columns of their names, where no expression follows the name.
macro_rules! from_row {
    ($row:ident => $type:ident { $($field:ident $(: $value:expr)?),+ $(,)? }) => {
        $type { $($field: $crate::store::engine::from_row!(@ $row $field $($value)?),)+ }
    };
    (@ $row:ident $field:ident) => { $row.get(stringify!($field))? };
    (@ $row:ident $field:ident $value:expr) => { $value };
}

pub(in crate::store) use from_row;
