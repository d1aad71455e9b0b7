//! SQLite in this thread, in memory: the same SQL as in production, without the threads of its
//! driver.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use holdfast::store::{Driver, Outcome, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Error};

/// As many as there are statements.
const STATEMENTS: usize = 256;

pub struct Sqlite(Mutex<Open>);

struct Open {
    connection: Connection,
    /// Column names by statement: made anew each time, they would cost as much as values.
    columns: HashMap<String, Arc<[String]>>,
}

impl Sqlite {
    /// With production's settings, but for those about the disk.
    pub fn open() -> Arc<Self> {
        let connection = Connection::open_in_memory().expect("a database in memory");
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection
            .execute_batch("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY")
            .expect("its settings");
        Arc::new(Self(Mutex::new(Open { connection, columns: HashMap::new() })))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

impl Driver for Sqlite {
    fn run(&self, sql: &str, values: &[Value]) -> Result<Outcome, Error> {
        let Open { connection, columns } = &mut *self.0.lock().unwrap();
        let mut statement = connection.prepare_cached(sql)?;
        bind(&mut statement, values);
        let columns = match columns.get(sql) {
            Some(known) => known.clone(),
            None => columns.entry(sql.to_owned()).or_insert(names(&statement)).clone(),
        };
        let mut found = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let value = |column| Ok(value(row.get_ref(column)?));
            found.push(
                (0..columns.len()).map(value).collect::<Result<_, Error>>().expect("the columns are there"),
            );
        }
        Ok(Outcome { columns, rows: found, changed: connection.changes() })
    }

    fn script(&self, sql: &str) -> Result<(), Error> {
        let Open { connection, .. } = &*self.0.lock().unwrap();
        match sql {
            "BEGIN IMMEDIATE" | "COMMIT" | "ROLLBACK" => {
                connection.prepare_cached(sql).and_then(|mut statement| statement.raw_execute()).map(drop)
            }
            _ => connection.execute_batch(sql),
        }
    }
}

fn names(statement: &CachedStatement<'_>) -> Arc<[String]> {
    statement.column_names().into_iter().map(str::to_owned).collect()
}

/// SQLite numbers `$3` by where it first stands, so its name has to be looked at.
fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) {
    for position in 1..=statement.parameter_count() {
        let name = statement.parameter_name(position).expect("every parameter has a name");
        let number: usize = name[1..].parse().expect("the name is a number");
        let value = match &values[number - 1] {
            Value::Text(text) => text.as_ref().map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Value::Int(number) => number.map_or(ValueRef::Null, ValueRef::Integer),
            Value::Bytes(bytes) => bytes.as_ref().map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes)),
        };
        let bound = statement.raw_bind_parameter(position, ToSqlOutput::Borrowed(value));
        bound.expect("the parameter is there");
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Int(None),
        ValueRef::Integer(number) => Value::Int(Some(number)),
        ValueRef::Text(text) => Value::Text(Some(String::from_utf8(text.to_vec()).expect("UTF-8"))),
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
        ValueRef::Real(number) => panic!("no column holds {number}"),
    }
}
