#[test]
fn every_statement_is_listed() {
    let sources = [
        include_str!("attempts.rs"),
        include_str!("keys.rs"),
        include_str!("leases.rs"),
        include_str!("outbox.rs"),
        include_str!("reads.rs"),
        include_str!("schema.rs"),
        include_str!("sweep.rs"),
        include_str!("trouble.rs"),
        include_str!("upkeep.rs"),
        include_str!("users.rs"),
        include_str!("writes.rs"),
    ];
    let apart: usize = sources.iter().map(|source| source.matches(": Sql =").count()).sum();
    assert_eq!(apart, 1, "only the one that makes the table of migrations is declared apart");
}

#[test]
fn no_statement_is_limited_by_a_bare_parameter() {
    for (name, sql) in super::all() {
        let bare = sql.sqlite.match_indices("LIMIT $").any(|(at, limit)| {
            let number =
                sql.sqlite[at + limit.len()..].trim_start_matches(|each: char| each.is_ascii_digit());
            !number.starts_with(" + 0")
        });
        let bare = bare || sql.sqlite.split("OFFSET ").skip(1).any(|offset| !offset.ends_with(" + 0"));
        assert!(!bare, "{name} would be prepared at each execution");
    }
}

/// What SQLite does for a statement, step by step.
fn plan(sql: &super::Sql) -> String {
    let database = rusqlite::Connection::open_in_memory().unwrap();
    for migration in crate::store::migrate::MIGRATIONS {
        database.execute_batch(migration.sql.sqlite).unwrap();
    }
    let mut explain = database.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.sqlite)).unwrap();
    let mut steps = explain.raw_query();
    let mut plan = Vec::new();
    while let Some(step) = steps.next().unwrap() {
        plan.push(step.get::<_, String>("detail").unwrap());
    }
    plan.join("\n")
}

/// With a hundred thousand connections, none of these may read all of them.
#[test]
fn what_the_worker_asks_is_found_by_an_index() {
    let expected: &[(&super::Sql, &[&str])] = &[
        (&super::CLAIM_FEW_DUE, &["connections_due"]),
        (&super::CLAIM_MANY_DUE, &["connections_by_deadline"]),
        (&super::DUE_COUNT, &["connections_due"]),
        (&super::NEXT_DUE, &["connections_due", "connections_held"]),
        (&super::CONNECTIONS_EXPIRED, &["connections_expiring"]),
        (
            &super::CONNECTIONS_MISTIMED,
            &["connections_by_age", "connections_expired", "connections_by_deadline"],
        ),
        (&super::TROUBLE, &["connections_troubled"]),
        (&super::MISCONFIGURED_COUNT, &["connections_troubled"]),
        (&super::PROVEN_COUNT, &["connections_proven"]),
        (&super::PROVEN_LAST, &["connections_proven"]),
        (&super::CONNECTIONS_FALLEN, &["connections_troubled"]),
        (&super::CONNECTIONS_MAKE_DUE, &["connections_troubled"]),
        (&super::STATUS, &["attempts_open"]),
        (&super::ATTEMPTS_EXPIRED, &["attempts_expiring"]),
        (&super::ATTEMPTS_STRANDED, &["attempts_expiring"]),
        (&super::ATTEMPTS_HOLDING, &["attempts_expiring"]),
        (&super::ATTEMPTS_BRING_BACK, &["attempts_expiring"]),
        (&super::ATTEMPTS_BRING_BACK_CLAIMS, &["attempts_busy"]),
        (&super::OUTBOX_BRING_BACK, &["outbox_due"]),
        (&super::NOTICES_BRING_BACK, &["notices_due"]),
        (&super::CONNECTIONS_BY_USERNAME, &["connections_by_username"]),
        (&super::LISTED_IN_STATE, &["connections_unwell"]),
        (&super::REFUSALS_COUNT, &["scope_refusals_lately"]),
        (&super::SWEEP_REFUSALS, &["scope_refusals_by_age"]),
        (&super::LISTED_LAPSED, &["connections_expiring"]),
        (&super::LISTED_BY_DEADLINE, &["connections_by_deadline"]),
        (&super::ATTEMPTS_COUNT_OPEN, &["attempts_newest"]),
        (&super::ATTEMPTS_COUNT_BEGUN, &["attempts_newest"]),
        (&super::ATTEMPTS_COUNT_DECLINED, &["attempts_newest"]),
        (&super::OUTBOX_CLAIM, &["outbox_due"]),
        (&super::CONNECTIONS_UNREADABLE, &["connections_unreadable"]),
        (&super::SWEEP_ATTEMPTS, &["attempts_closed"]),
        (&super::SWEEP_COMPLETIONS, &["attempts_holding"]),
        (&super::SWEEP_CLERK_EVENTS, &["clerk_events_by_age"]),
        (&super::SWEEP_DELETIONS, &["data_deletions_by_age"]),
        (&super::SWEEP_WITHDRAWALS, &["withdrawals_by_age"]),
        (&super::SWEEP_OUTBOX, &["outbox_by_age"]),
        (&super::SWEEP_GRANTS, &["connections_troubled"]),
        (&super::SWEEP_HISTORY_NEXT, &["connection_history_by_age"]),
        (&super::SWEEP_HISTORY, &["connection_history_by_age"]),
    ];
    for (sql, indexes) in expected {
        let plan = plan(sql);
        for index in *indexes {
            assert!(plan.contains(&format!("INDEX {index}")), "{}\n\n{plan}", sql.sqlite);
        }
    }
}
