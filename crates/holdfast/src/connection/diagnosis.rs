//! What to do about an answer that says something against a connection.
//!
//! A state machine without I/O: [`Diagnosis::next`] names one step, the caller takes it and reports
//! the answer to [`Diagnosis::learned`], until the step is to record an observation. Each other
//! step is taken at most once, so every diagnosis ends after at most four steps.

use super::belief::{Population, is_believed, is_sign};
use super::observation::{Call, Confidence, Observation};
use super::schedule::Schedule;
use super::transition::is_another_account;
use super::{Connection, EvidenceSource, GrantFacts};
use crate::provider::{Account, Failure, Meaning};

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask `/me` with the grant in use.
    AskMe,
    /// Ask this many other connections whether they work.
    AskOthers(usize),
    /// Restore the grant before the one in use, if it works.
    TryEarlierGrant,
    /// Record nothing, because nothing was learnt; the diagnosis has ended.
    AskLater,
    /// Record this; the diagnosis has ended.
    Record(Box<Observation>),
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Step::AskMe`].
    Me(Result<Account, Failure>),
    /// To [`Step::AskOthers`]. Their answers show in the next [`Population`].
    Others,
    /// To [`Step::TryEarlierGrant`]: no earlier grant works. If one works, the diagnosis ends.
    NoEarlierGrant,
}

/// What is known of the grant in use.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// Nothing has been asked yet.
    Nothing,
    /// `/me` answered with the linked account.
    Works(Account),
    /// The call, or `/me` after it, failed.
    Failed(Failure),
}

/// Decides what an answer says about one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis<'a> {
    connection: &'a Connection,
    facts: GrantFacts,
    call: Call,
    finding: Finding,
    /// The stored expiry has passed, by a clock that is suspected.
    is_past_expiry: bool,
    /// `/me` answered with another account than the linked one.
    answered_for_another: bool,
    taken: Taken,
}

/// The steps already taken; each is taken at most once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    me: bool,
    others: bool,
    earlier: bool,
}

impl<'a> Diagnosis<'a> {
    /// Starts with nothing known, to find out whether the grant works.
    pub fn of_question(connection: &'a Connection, facts: GrantFacts, call: Call) -> Self {
        Self {
            connection,
            facts,
            call,
            finding: Finding::Nothing,
            is_past_expiry: false,
            answered_for_another: false,
            taken: Taken::default(),
        }
    }

    /// Starts where the grant has expired by a clock that is suspected.
    pub fn of_expiry(connection: &'a Connection, facts: GrantFacts) -> Self {
        Self { is_past_expiry: true, ..Self::of_question(connection, facts, Call::Check) }
    }

    /// Starts where a call with the grant has failed.
    pub fn of_failure(connection: &'a Connection, facts: GrantFacts, call: Call, failure: Failure) -> Self {
        Self { finding: Finding::Failed(failure), ..Self::of_question(connection, facts, call) }
    }

    /// The diagnosed connection.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// The kind of call whose answer counts now.
    pub fn call(&self) -> Call {
        self.call
    }

    /// The failure meaning for which [`Self::next`] needs a [`Population`], if any.
    pub fn meaning(&self) -> Option<Meaning> {
        match &self.finding {
            Finding::Failed(failure) if !self.is_past_expiry => Some(failure.meaning),
            Finding::Failed(_) | Finding::Nothing | Finding::Works(_) => None,
        }
    }

    /// The grant that was used.
    pub fn grant_version(&self) -> i64 {
        self.facts.version
    }

    /// Whether what is known may end the connection, now or when it is repeated.
    pub fn is_against_the_grant(&self) -> bool {
        matches!(&self.finding, Finding::Failed(failure) if is_sign(failure.meaning))
    }

    /// Takes the result of the last step.
    pub fn learned(&mut self, answer: Answer) {
        match answer {
            Answer::Me(answer) => self.learned_me(answer),
            Answer::Others => self.taken.others = true,
            Answer::NoEarlierGrant => self.taken.earlier = true,
        }
    }

    fn learned_me(&mut self, answer: Result<Account, Failure>) {
        self.taken.me = true;
        let answer = answer.and_then(|account| {
            if is_another_account(self.connection, &account) {
                self.answered_for_another = true;
                Err(of_another_account())
            } else {
                Ok(account)
            }
        });
        self.finding = match (std::mem::replace(&mut self.finding, Finding::Nothing), self.call) {
            (Finding::Failed(first), Call::Refresh) => Finding::Failed(self.second_opinion(first, answer)),
            // `/me` decides, not the failure of the app's own call.
            (_, Call::PassThrough) => {
                self.call = Call::Check;
                found(answer)
            }
            (_, Call::Refresh | Call::Check | Call::Probe) => found(answer),
        };
    }

    /// The refusal of a refresh, compared with the answer of `/me` to the same grant.
    fn second_opinion(&self, refusal: Failure, answer: Result<Account, Failure>) -> Failure {
        match answer {
            Ok(_) => Failure { meaning: Meaning::Unavailable, ..refusal },
            Err(second) => match second.meaning {
                Meaning::Dead(_) | Meaning::UserAction(_) | Meaning::Crowded => second,
                Meaning::DeadUnexplained => refusal,
                // `/me` answered neither way: a first sign stands, a second one ends nothing.
                Meaning::Permission
                | Meaning::RateLimited(_)
                | Meaning::Unavailable
                | Meaning::App(_)
                | Meaning::Content
                | Meaning::CodeRejected => {
                    let is_first = self.connection.suspicion.is_none();
                    let meaning = if is_first { refusal.meaning } else { Meaning::Unavailable };
                    Failure { meaning, ..refusal }
                }
            },
        }
    }

    /// The next step. `population` is about [`Self::meaning`].
    pub fn next(&self, population: &Population, schedule: &Schedule) -> Step {
        match &self.finding {
            Finding::Nothing => Step::AskMe,
            Finding::Works(account) => Step::Record(Box::new(Observation::Worked {
                grant_version: self.facts.version,
                account: Some(account.clone()),
                next_refresh_at: schedule.due_again(self.connection, self.facts),
            })),
            Finding::Failed(failure) if failure.meaning == Meaning::Crowded => Step::AskLater,
            Finding::Failed(failure) if self.is_past_expiry => self.past_expiry(failure),
            Finding::Failed(failure) => self.weigh(failure, population, schedule),
        }
    }

    fn weigh(&self, failure: &Failure, population: &Population, schedule: &Schedule) -> Step {
        let is_second_unexplained =
            failure.meaning == Meaning::DeadUnexplained && self.connection.suspicion.is_some();
        if is_second_unexplained && population.others_wanted > 0 && self.may_ask_others() {
            return Step::AskOthers(population.others_wanted);
        }
        let ends = self.ends(failure, population, schedule);
        // In an incident everything is refused, so the worker asks as little as possible.
        let is_incident = population.confidence == Confidence::Incident;
        if !self.taken.me && self.wants_second_opinion(failure, ends, is_incident) {
            return Step::AskMe;
        }
        if !self.taken.earlier && (ends || self.is_unproven(failure) && !is_incident) {
            return Step::TryEarlierGrant;
        }
        Step::Record(Box::new(Observation::Failed {
            grant_version: self.facts.version,
            call: self.call,
            failure: failure.clone(),
            next_refresh_at: schedule.after_failure(
                self.connection,
                self.facts,
                self.call,
                failure,
                population,
            ),
            confidence: population.confidence,
        }))
    }

    /// Asking others takes time, and only the worker has nobody waiting for it.
    fn may_ask_others(&self) -> bool {
        !self.taken.others && matches!(self.call, Call::Refresh | Call::Probe)
    }

    fn wants_second_opinion(&self, failure: &Failure, ends: bool, is_incident: bool) -> bool {
        match self.call {
            // A refusal of a refresh that would end the connection is compared with `/me`; so is
            // the first one without a cause, where both are one sign.
            Call::Refresh => {
                let is_first = self.connection.suspicion.is_none() && !is_incident;
                ends || is_first && failure.meaning == Meaning::DeadUnexplained
            }
            // A pass-through call may be refused, or fail, for its content; `/me` only for the
            // account. After no answer there is no time to ask; where trouble is known, the worker
            // asks.
            Call::PassThrough => {
                let is_outage = failure.meaning == Meaning::Unavailable
                    && failure.http_status.is_some()
                    && !failure.is_odd_answer();
                is_sign(failure.meaning)
                    || matches!(failure.meaning, Meaning::App(_))
                    || is_outage && !self.connection.is_doubted()
            }
            Call::Check | Call::Probe => false,
        }
    }

    /// Whether the failure is a death that is believed, or that meets an ended connection.
    fn ends(&self, failure: &Failure, population: &Population, schedule: &Schedule) -> bool {
        let is_death = matches!(failure.meaning, Meaning::Dead(_) | Meaning::DeadUnexplained);
        let confidence = population.confidence;
        let is_alive = self.connection.standing.state().is_alive();
        is_death
            && (!is_alive
                || is_believed(
                    self.connection,
                    self.facts,
                    failure.meaning,
                    self.call,
                    confidence,
                    schedule.now,
                ))
    }

    /// Whether a death concerns a refreshed grant that has never been seen to work, or a grant that
    /// has answered for another account twice.
    fn is_unproven(&self, failure: &Failure) -> bool {
        let is_death = matches!(failure.meaning, Meaning::Dead(_) | Meaning::DeadUnexplained);
        let is_untried =
            self.connection.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Refresh);
        self.call != Call::Refresh
            && is_death
            && (is_untried || self.answered_for_another && self.connection.suspicion.is_some())
    }

    /// The step after a failed call past the expiry. A stated death stays when the clock is set
    /// back; another death confirms the expiry. Otherwise only the clock says that the grant is
    /// over.
    fn past_expiry(&self, failure: &Failure) -> Step {
        let observation = match failure.meaning {
            Meaning::DeadUnexplained | Meaning::UserAction(_) => Observation::ExpiryPassed,
            Meaning::Dead(_) => Observation::Failed {
                grant_version: self.facts.version,
                call: self.call,
                failure: failure.clone(),
                next_refresh_at: None,
                // Many grants that expire together are no incident.
                confidence: Confidence::TooFew,
            },
            Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::Crowded
            | Meaning::App(_)
            | Meaning::Content
            | Meaning::CodeRejected => return Step::AskLater,
        };
        Step::Record(Box::new(observation))
    }
}

fn found(answer: Result<Account, Failure>) -> Finding {
    match answer {
        Ok(account) => Finding::Works(account),
        Err(failure) => Finding::Failed(failure),
    }
}

/// An answer about another account, as an unexplained sign of death. The grant was proven when
/// linked, so either the answer is wrong and passes, or a refresh brought another account's grant.
fn of_another_account() -> Failure {
    Failure::new(Meaning::DeadUnexplained, "the answer is about another account than the linked one")
}

#[cfg(test)]
mod tests;
