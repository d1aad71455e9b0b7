//! What a year came to, held against the perfect refresher and against the world's own truth.

use std::collections::HashSet;
use std::fmt;

use holdfast::connection::{Reason, State};
use holdfast::connections::grants::{self, RowSeal};
use holdfast::entropy::{SeededEntropy, SharedEntropy};
use holdfast::provider::ProviderId;
use holdfast::store::Store;
use secrecy::ExposeSecret as _;

use super::baton::{DAY, Millis};
use super::dice::{Dice, Trace};
use super::instagram::{Calls, Instagram, RefreshEffect, STRANGERS};
use super::oracle::{self, Nights};
use super::population::{Person, heir, owner};
use super::replica::vault;
use super::run::Plan;

/// What happened to whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Books {
    pub outages: u32,
    pub partitions: u32,
    pub jumps: u32,
    pub stills: u32,
    pub crashes: u32,
    pub leavers: u32,
    /// Those among them whose reason Instagram does not say.
    pub unexplained: u32,
    /// People who took another handle.
    pub renamed: u32,
    pub turns: u64,
}

/// The short report. Two runs of a seed give equal ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub seed: u64,
    pub days: i64,
    pub connections: usize,
    pub replicas: usize,
    pub effect: RefreshEffect,
    pub books: Books,
    /// How long nobody could have refreshed anything.
    pub dark: Millis,
    /// Connections that the perfect refresher keeps.
    pub keepable: u64,
    /// Those among them that we lost, by number.
    pub lost: Vec<usize>,
    /// Lost because Instagram ended the old grant and its answer with the new one arrived nowhere.
    pub lost_in_the_window: u64,
    /// Connections whose person was told to reconnect while the grant lived: by number.
    pub told_falsely: Vec<usize>,
    /// Accounts that another user connected after their holders had left, and of those the ones
    /// that we did not keep.
    pub moved: u64,
    pub moved_lost: Vec<usize>,
    /// Accounts that are told under a handle that is long out of date: by number.
    pub misnamed: Vec<usize>,
    /// People who connected though the app may not serve them.
    pub admitted_wrongly: Vec<usize>,
    /// Renewals whose answer was lost, or died with a process.
    pub answers_lost: usize,
    pub calls: Calls,
    /// What the perfect refresher needs.
    pub minimal: u64,
    pub trace: Trace,
}

impl Report {
    /// Calls per needed call.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn ratio(&self) -> f64 {
        self.calls.all() as f64 / self.minimal.max(1) as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, days, connections, replicas, effect, books, calls, .. } = self;
        writeln!(
            f,
            "seed {seed}: {connections} connections, {replicas} replicas, {days} days, world {effect:?}"
        )?;
        writeln!(
            f,
            "  went wrong   {} outages and limits, {} partitions, {} crashes, {} standstills, {} clock jumps; {} days in the dark; {} answers lost; {} people left",
            books.outages,
            books.partitions,
            books.crashes,
            books.stills,
            books.jumps,
            self.dark / DAY,
            self.answers_lost,
            books.leavers
        )?;
        writeln!(
            f,
            "  connections  {} could be kept: {} lost, {} lost in the window of the world; {} people told falsely to reconnect",
            self.keepable,
            self.lost.len(),
            self.lost_in_the_window,
            self.told_falsely.len()
        )?;
        writeln!(
            f,
            "  calls        {} ({} refreshes, {} of them renewed, {} questions whose grant it is; {} of all in vain, in an outage); {} needed; ratio {:.4}; {} more because a person asked",
            calls.all(),
            calls.refreshes,
            calls.renewed,
            calls.identifies,
            calls.in_vain,
            self.minimal,
            self.ratio(),
            calls.by_people
        )?;
        let [down, refused, deactivated, forbidden] = calls.in_vain_by;
        writeln!(
            f,
            "  in vain      {down} while all was down, {refused} while all were called dead, {deactivated} while the app was off, {forbidden} while it lacked a permission; refused besides: {} limited, {} too young, {} dead",
            calls.limited, calls.too_young, calls.dead
        )?;
        writeln!(
            f,
            "  at once      {} refreshes of one connection after a lease ran out, {} otherwise",
            calls.overlaps, calls.collisions
        )?;
        writeln!(
            f,
            "  people       {} accounts moved to another user, {} of them lost; {} took another handle, {} are told under an old one; {} calls of the app's, {} refused for what they asked",
            self.moved,
            self.moved_lost.len(),
            books.renamed,
            self.misnamed.len(),
            calls.by_app,
            calls.about_the_call
        )?;
        for (what, numbers) in [
            ("lost", &self.lost),
            ("told falsely", &self.told_falsely),
            ("moved and lost", &self.moved_lost),
            ("misnamed", &self.misnamed),
            ("admitted wrongly", &self.admitted_wrongly),
        ] {
            if !numbers.is_empty() {
                writeln!(f, "  {what}: {:?}", numbers.iter().take(10).collect::<Vec<_>>())?;
            }
        }
        write!(f, "  trace        {:016x} after {} turns", self.trace.0, books.turns)
    }
}

/// What is stored of one person.
struct Stored {
    connected: bool,
    username: Option<String>,
    token: Option<String>,
    /// When the person was told to reconnect, each time.
    told: Vec<Millis>,
}

/// Names are read again with each refresh, and the longest outage and a few misfortunes may come
/// between.
const LONG_AGO: Millis = 90 * DAY;

/// The year's end.
pub struct End<'a> {
    pub plan: Plan,
    pub database: &'a Store,
    pub instagram: &'a Instagram,
    pub people: &'a [Person],
    pub nights: &'a Nights,
    /// Whose renewals were answered to nobody.
    pub unknown: &'a [usize],
    pub books: Books,
    pub trace: Trace,
}

impl End<'_> {
    pub async fn judge(self) -> Report {
        let extent = self.plan.extent;
        let (end, mut dice) = (extent.end(), Dice::new(extent.seed, 7));
        let unknown: HashSet<usize> = match self.plan.effect {
            RefreshEffect::OldDead => self.unknown.iter().copied().collect(),
            RefreshEffect::SameToken | RefreshEffect::BothValid => HashSet::new(),
        };
        let mut report = Report {
            seed: extent.seed,
            days: extent.days,
            connections: extent.connections,
            replicas: extent.replicas,
            effect: self.plan.effect,
            books: self.books,
            dark: self.nights.total(),
            keepable: 0,
            lost: Vec::new(),
            lost_in_the_window: 0,
            told_falsely: Vec::new(),
            moved: 0,
            moved_lost: Vec::new(),
            misnamed: Vec::new(),
            admitted_wrongly: Vec::new(),
            answers_lost: self.unknown.len(),
            calls: self.instagram.calls(),
            minimal: 0,
            trace: self.trace,
        };
        for (number, person) in self.people.iter().enumerate() {
            let died = self.instagram.died(number);
            let fate = oracle::keep(person.issued_at, died, end, self.nights, &mut dice);
            report.minimal += fate.calls;
            let stored = self.stored(number, person).await;
            let alive = stored.token.is_some_and(|token| self.instagram.is_alive(&token, end));
            let told_falsely = stored.told.iter().any(|at| died.is_none_or(|died| *at < died - DAY));
            if fate.kept {
                report.keepable += 1;
                if !(stored.connected && alive) {
                    if unknown.contains(&number) {
                        report.lost_in_the_window += 1;
                    } else {
                        report.lost.push(number);
                    }
                }
            }
            if fate.kept && stored.connected && !unknown.contains(&number) {
                let (username, since) = self.instagram.username(number);
                if since < end - LONG_AGO && stored.username.as_ref() != Some(&username) {
                    report.misnamed.push(number);
                }
            }
            if told_falsely && !unknown.contains(&number) && (fate.kept || died.is_some()) {
                report.told_falsely.push(number);
            }
        }
        self.judge_newcomers(&mut report, &unknown, &mut dice).await;
        report
    }

    /// Those who connected within the year: who inherited an account keeps it, and who may not be
    /// served has none.
    async fn judge_newcomers(&self, report: &mut Report, unknown: &HashSet<usize>, dice: &mut Dice) {
        let end = self.plan.extent.end();
        for (number, since) in self.instagram.heirs() {
            let fate = oracle::keep(since, None, end, self.nights, dice);
            report.moved += 1;
            report.minimal += fate.calls;
            let heir =
                self.database.connection(&heir(number), ProviderId::INSTAGRAM).await.expect("it answers");
            let connected =
                heir.is_some_and(|heir| matches!(heir.standing.state(), State::Connected | State::Degraded));
            if fate.kept && !connected && !unknown.contains(&number) {
                report.moved_lost.push(number);
            }
        }
        for number in self.people.len()..self.people.len() + STRANGERS {
            let stranger =
                self.database.connection(&heir(number), ProviderId::INSTAGRAM).await.expect("it answers");
            if stranger.is_some_and(|stranger| stranger.account.is_some() || stranger.grant.is_some()) {
                report.admitted_wrongly.push(number);
            }
        }
    }

    async fn stored(&self, number: usize, person: &Person) -> Stored {
        let owner = owner(number);
        let read = self.database.connection(&owner, ProviderId::INSTAGRAM).await.expect("it answers");
        let connection = read.expect("nobody's connection vanishes");
        assert_eq!(connection.id, person.connection);
        let username = connection.account.as_ref().and_then(|account| account.username.clone());
        let connected = match connection.standing.state() {
            State::Connected | State::Degraded => true,
            State::NotConnected
            | State::Connecting
            | State::ActionRequired
            | State::ReconnectRequired
            | State::Unavailable => false,
        };
        let history =
            self.database.history(&owner, ProviderId::INSTAGRAM, None, 1000).await.expect("it answers");
        // Nobody's permissions are ever taken away in this world.
        let told = history.entries.iter().filter(|entry| {
            matches!(entry.state, State::ReconnectRequired | State::ActionRequired)
                || entry.reason == Some(Reason::ScopesMissing)
        });
        let told = told.map(|entry| entry.at.as_millisecond()).collect();
        let Some(facts) = connection.grant else { return Stored { connected, username, token: None, told } };
        let entropy: SharedEntropy = std::sync::Arc::new(SeededEntropy::new(0));
        let key = grants::user_key(self.database, &vault(&entropy), owner.as_str()).await.expect("a key");
        let sealed = self.database.sealed_grants(connection.id).await.expect("it answers");
        let sealed = sealed.iter().find(|sealed| sealed.version == facts.version);
        let sealed = sealed.expect("the grant in use is stored");
        let grant = RowSeal::of_connection(&key, &connection).open_grant(sealed).expect("it opens");
        Stored { connected, username, token: Some(grant.access_token.expose_secret().to_owned()), told }
    }
}
