//! The same endpoint with what people use, to be measured beside ours.

use std::path::Path;
use std::process::Command;

use crate::Fallible;
use crate::subject::{self, Tokens};

/// Each by its name; they announce their addresses. Those whose packages are not installed are left
/// out, and said.
pub fn all(directory: &Path, sqlite: &Path, postgres: &str) -> Fallible<Vec<(&'static str, Command)>> {
    let node = |script: &str, verdict: &str, store: &str| {
        let mut command = Command::new("node");
        command.arg(directory.join(script)).env("AUTH", verdict).env("STORE", store);
        command
    };
    let mut python = Command::new(directory.join("venv/bin/python"));
    python.arg(directory.join("fastapi_app.py"));
    let mut all = vec![
        ("Express, @clerk/express, pg", node("express.mjs", "clerk-express", "pg")),
        ("Express, verifyToken, pg", node("express.mjs", "verifyToken", "pg")),
        ("Fastify, verifyToken, better-sqlite3", node("fastify.mjs", "verifyToken", "sqlite")),
        ("FastAPI, PyJWT, asyncpg", python),
    ];
    for (program, needed) in [
        ("Express", "node_modules/pg"),
        ("Fastify", "node_modules/better-sqlite3/build/Release"),
        ("FastAPI", "venv"),
    ] {
        if !directory.join(needed).exists() {
            eprintln!("{program} is left out: {needed} is not installed in {}", directory.display());
            all.retain(|(name, _)| !name.starts_with(program));
        }
    }
    let (host, user, database) = parts(postgres)?;
    for (_, command) in &mut all {
        command.env("SQLITE_FILE", sqlite);
        command.env("PGHOST", &host).env("PGUSER", &user).env("PGDATABASE", &database);
    }
    Ok(all)
}

/// Host, user and database of `postgres://user@host/database`, a socket's directory
/// percent-encoded: as libpq's variables want them.
fn parts(url: &str) -> Fallible<(String, String, String)> {
    let rest = url.strip_prefix("postgres://").ok_or("not a postgres:// address")?;
    let (user, rest) = rest.split_once('@').ok_or("the address names no user")?;
    let (host, database) = rest.split_once('/').ok_or("the address names no database")?;
    Ok((host.replace("%2F", "/"), user.to_owned(), database.to_owned()))
}

/// The command, told whose tokens are good.
pub fn with_keys(mut command: Command, tokens: &Tokens) -> Fallible<Command> {
    command.env("CLERK_JWT_KEY", tokens.jwt_key()?).env("CLERK_ISSUER", tokens.issuer());
    command.env("CLERK_AUTHORIZED_PARTIES", subject::ORIGIN);
    Ok(command)
}
