//! What to do about an answer that says something against a connection.
//!
//! A state machine without I/O: [`Diagnosis::next`] names one step, the caller takes it and reports
//! the answer to [`Diagnosis::learned`], until the step is to record an observation. A second
//! opinion is asked for at most once, others are asked at most once, the earlier grant is tried at
//! most once, so every diagnosis ends after four steps.

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
    AskWhose,
    /// Ask this many other connections whether they work.
    AskOthers(usize),
    /// Use the grant before the one in use again, if that works.
    TryEarlierGrant,
    /// Record this; the diagnosis has ended.
    Record(Box<Observation>),
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Step::AskWhose`].
    Whose(Result<Account, Failure>),
    /// To [`Step::AskOthers`]. What they answered shows in the next [`Population`].
    Others,
    /// To [`Step::TryEarlierGrant`]: there is none that works. One that works ends the diagnosis.
    NoEarlierGrant,
}

/// What is known of the grant in use.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// Nobody has asked yet.
    Nothing,
    /// `/me` answered with the linked account.
    Works(Account),
    /// The call, or `/me` after it, failed.
    Failed(Failure),
}

/// Finds out what an answer says about one connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis<'a> {
    connection: &'a Connection,
    facts: GrantFacts,
    call: Call,
    finding: Finding,
    /// The stored expiry has passed: only a working grant, or a stated death, says more than that.
    is_past_expiry: bool,
    /// `/me` answered with another account than the linked one.
    is_strange: bool,
    taken: Taken,
}

/// The steps that were taken: each once at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    whose: bool,
    others: bool,
    earlier: bool,
}

impl<'a> Diagnosis<'a> {
    /// Somebody wants to know whether the grant works.
    pub fn of_question(connection: &'a Connection, facts: GrantFacts, call: Call) -> Self {
        Self {
            connection,
            facts,
            call,
            finding: Finding::Nothing,
            is_past_expiry: false,
            is_strange: false,
            taken: Taken::default(),
        }
    }

    /// The clock says that the grant is over, and the clock is suspected.
    pub fn of_expiry(connection: &'a Connection, facts: GrantFacts) -> Self {
        Self { is_past_expiry: true, ..Self::of_question(connection, facts, Call::Check) }
    }

    /// A call with the grant has failed.
    pub fn of_failure(connection: &'a Connection, facts: GrantFacts, call: Call, failure: Failure) -> Self {
        Self { finding: Finding::Failed(failure), ..Self::of_question(connection, facts, call) }
    }

    /// The connection that it is about.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// The kind of call whose answer counts now.
    pub fn call(&self) -> Call {
        self.call
    }

    /// What the failure means whose [`Population`] the next step wants; `None` where it wants none.
    pub fn meaning(&self) -> Option<Meaning> {
        match &self.finding {
            Finding::Failed(failure) if !self.is_past_expiry => Some(failure.meaning),
            Finding::Failed(_) | Finding::Nothing | Finding::Works(_) => None,
        }
    }

    /// Takes in what the last step came to.
    pub fn learned(&mut self, answer: Answer) {
        match answer {
            Answer::Whose(answer) => self.learned_whose(answer),
            Answer::Others => self.taken.others = true,
            Answer::NoEarlierGrant => self.taken.earlier = true,
        }
    }

    fn learned_whose(&mut self, answer: Result<Account, Failure>) {
        self.taken.whose = true;
        let answer = answer.and_then(|account| {
            if is_another_account(self.connection, &account) {
                self.is_strange = true;
                Err(of_another_account())
            } else {
                Ok(account)
            }
        });
        self.finding = match (std::mem::replace(&mut self.finding, Finding::Nothing), self.call) {
            (Finding::Failed(first), Call::Refresh) => Finding::Failed(self.second_opinion(first, answer)),
            // What `/me` says counts, not what the app's own call met.
            (_, Call::PassThrough) => {
                self.call = Call::Check;
                found(answer)
            }
            (_, Call::Refresh | Call::Check | Call::Probe) => found(answer),
        };
    }

    /// An unexplained "no" to a refresh, held against `/me` with the same grant.
    fn second_opinion(&self, refusal: Failure, answer: Result<Account, Failure>) -> Failure {
        match answer {
            Ok(_) => Failure { meaning: Meaning::Unavailable, ..refusal },
            Err(second) => match second.meaning {
                Meaning::Dead(_) | Meaning::UserAction(_) => second,
                Meaning::DeadUnexplained => refusal,
                // No answer to speak of. A first sign stands; a second one alone ends nothing.
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

    /// The next step. `population` is what is known of all connections for [`Self::meaning`].
    pub fn next(&self, population: &Population, schedule: &Schedule) -> Step {
        match &self.finding {
            Finding::Nothing => Step::AskWhose,
            Finding::Works(account) => Step::Record(Box::new(Observation::Worked {
                grant_version: self.facts.version,
                account: Some(account.clone()),
                next_refresh_at: schedule.due_again(self.connection, self.facts),
            })),
            Finding::Failed(failure) if self.is_past_expiry => Step::Record(Box::new(self.expired(failure))),
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
        // In an incident everything is refused, and the worker asks no more than it must.
        let is_incident = population.confidence == Confidence::Incident;
        if !self.taken.whose && self.wants_second_opinion(failure, ends, is_incident) {
            return Step::AskWhose;
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

    /// A person waits for the answer to their own call; the worker does not.
    fn may_ask_others(&self) -> bool {
        !self.taken.others && matches!(self.call, Call::Refresh | Call::Probe)
    }

    fn wants_second_opinion(&self, failure: &Failure, ends: bool, is_incident: bool) -> bool {
        match self.call {
            // Together, the first "no" to a refresh and the one to `/me` are one sign. Later ones
            // are held against `/me` only where they would end the connection.
            Call::Refresh => {
                let is_first = self.connection.suspicion.is_none() && !is_incident;
                failure.meaning == Meaning::DeadUnexplained && (is_first || ends)
            }
            // A single call may be refused for what it asks; `/me` is refused for the account
            // alone.
            Call::PassThrough => is_sign(failure.meaning) || matches!(failure.meaning, Meaning::App(_)),
            Call::Check | Call::Probe => false,
        }
    }

    /// Whether recording the failure would end the connection, or it has ended already.
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

    /// Whether the grant in use came by a refresh and has not been seen to work, or is not the
    /// linked account's for the second time.
    fn is_unproven(&self, failure: &Failure) -> bool {
        let is_death = matches!(failure.meaning, Meaning::Dead(_) | Meaning::DeadUnexplained);
        let is_untried =
            self.connection.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Refresh);
        self.call != Call::Refresh
            && is_death
            && (is_untried || self.is_strange && self.connection.suspicion.is_some())
    }

    /// The clock is believed unless the grant works; a stated death stays when the clock is set
    /// back.
    fn expired(&self, failure: &Failure) -> Observation {
        match failure.meaning {
            Meaning::Dead(_) => Observation::Failed {
                grant_version: self.facts.version,
                call: self.call,
                failure: failure.clone(),
                next_refresh_at: None,
                // Many that die of age at once are no incident.
                confidence: Confidence::TooFew,
            },
            Meaning::DeadUnexplained
            | Meaning::UserAction(_)
            | Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::App(_)
            | Meaning::Content
            | Meaning::CodeRejected => Observation::ExpiryPassed,
        }
    }
}

fn found(answer: Result<Account, Failure>) -> Finding {
    match answer {
        Ok(account) => Finding::Works(account),
        Err(failure) => Finding::Failed(failure),
    }
}

/// The grant was proven to be the linked account's when it came. So either the answer is wrong,
/// which passes, or a refresh brought a grant that is not ours: an unexplained sign of death.
fn of_another_account() -> Failure {
    Failure::new(Meaning::DeadUnexplained, "the answer is about another account than the linked one")
}

#[cfg(test)]
mod tests;
