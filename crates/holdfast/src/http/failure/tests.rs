use super::*;

/// Fails where a variant is added, so that it is put into the list below.
fn is_listed(error: &ServiceError) {
    match error {
        ServiceError::Store(_)
        | ServiceError::Vault(_)
        | ServiceError::KeyNotHere { .. }
        | ServiceError::Content { .. }
        | ServiceError::NoDataKey
        | ServiceError::Entropy(_)
        | ServiceError::Contended
        | ServiceError::UserGone => {}
    }
}

#[test]
fn i4_an_attempt_that_has_ended_never_says_again() {
    for reason in Reason::ALL {
        let problem = ended(*reason);
        assert_ne!(problem.action(), ProblemAction::Retry, "{reason:?}");
        assert_eq!(problem.retry_after_seconds(), None, "{reason:?}");
    }
    for reason in [Reason::Checkpoint, Reason::Unconfirmed, Reason::Restricted, Reason::ConsentBlocked] {
        assert!(ended(reason).detail().ends_with("then connect again."), "{reason:?}: nothing is linked");
    }
    let waits =
        CompleteError::Waits { reason: Reason::ProviderUnavailable, retry_after: Duration::from_secs(5) };
    let waits = complete(waits);
    assert_eq!((waits.action(), waits.retry_after_seconds()), (ProblemAction::Retry, Some(5)));
}

#[test]
fn whoever_is_erased_while_an_attempt_completes_is_told_so() {
    let problem = complete(CompleteError::Service(ServiceError::UserGone));
    assert_eq!(problem.code(), RequestCode::UserErased.into());
}

#[test]
fn a_call_that_may_have_been_carried_out_is_not_simply_to_be_sent_again() {
    let lost = |may_be_done| {
        let reason = Reason::ProviderUnavailable;
        using(UseError::Unanswered { reason, retry_after: None, may_be_done })
    };
    assert!(lost(true).detail().contains("look before sending it again"), "{}", lost(true).detail());
    assert!(!lost(false).detail().contains("carried"), "{}", lost(false).detail());
    assert_eq!(lost(false).retry_after_seconds(), Some(5), "who is told to ask again is told when");
}

#[test]
fn a_read_too_many_is_told_what_a_request_too_many_is_told() {
    let problem = Problem::from(StoreError::Crowded);
    assert_eq!(problem.code(), ServerCode::Overloaded.into());
    assert_eq!(problem.retry_after_seconds(), Some(1));
}

#[test]
fn what_a_failure_becomes_stands_in_the_list_that_the_document_is_made_from() {
    let store = || {
        [
            StoreError::OutcomeUnknown,
            StoreError::Full(String::new()),
            StoreError::Denied(String::new()),
            StoreError::Missing(String::new()),
            StoreError::Refused(String::new()),
        ]
    };
    for error in store() {
        let code = Problem::from(UsersError::Store(error)).code();
        assert!(USERS.contains(&code), "{code:?}");
    }
    assert!(USERS.contains(&Problem::from(UsersError::Erased).code()));
    let own = [
        ServiceError::KeyNotHere { key_id: "one".to_owned() },
        ServiceError::Content { what: "a grant" },
        ServiceError::NoDataKey,
        ServiceError::Entropy(crate::entropy::EntropyExhausted),
        ServiceError::Contended,
        ServiceError::UserGone,
    ];
    for error in store().map(ServiceError::Store).into_iter().chain(own) {
        is_listed(&error);
        let code = Problem::from(error).code();
        assert!(CHANGING.contains(&code), "{code:?}");
    }
    let reading = Problem::from(StoreError::OutcomeUnknown).code();
    assert!(READING.contains(&reading), "{reading:?}");
}
