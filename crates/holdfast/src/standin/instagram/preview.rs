//! What `/me` would answer now to an account's newest grant, for a page that explains what others
//! would make of it. Looking changes nothing: no call is noted, and no fault is counted down.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::fault::{Endpoint, Fault};
use super::reply::{self, Action, Reply, Spoiling};
use super::world::{Death, World};

/// An answer in outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The name of the fault behind it; for a dead token that of the fault that kills so.
    pub fault: Option<&'static str>,
    /// The status; `None` where no complete answer would come.
    pub status: Option<u16>,
    /// Whether the body is JSON.
    pub readable: bool,
    /// `error.code` in the body.
    pub code: Option<i64>,
}

impl Preview {
    const WELL: Self = Self { fault: None, status: Some(200), readable: true, code: None };

    fn of(fault: &'static str, reply: &Reply) -> Self {
        let body: Option<Value> = serde_json::from_str(&reply.body).ok();
        Self {
            fault: Some(fault),
            status: Some(reply.status.as_u16()),
            readable: body.is_some(),
            code: body.and_then(|body| body.pointer("/error/code").and_then(Value::as_i64)),
        }
    }

    fn incomplete(fault: &'static str) -> Self {
        Self { fault: Some(fault), status: None, readable: false, code: None }
    }
}

/// The preview for an account that has been granted access at least once.
pub(super) fn preview(world: &World, account: &str, now: Timestamp) -> Option<Preview> {
    let token = world.newest_grant(account)?;
    let dead = || {
        let death = token.death(now)?;
        let error = reply::death(death, token.expires_at, now);
        Some(Preview::of(killer(death).as_str(), &Reply::graph(&error)))
    };
    let Some(fault) = world.next_fault(Endpoint::Me, Some(account)) else {
        return Some(dead().unwrap_or(Preview::WELL));
    };
    let name = fault.as_str();
    Some(match reply::action(fault, Endpoint::Me) {
        Action::Answer(reply) => Preview::of(name, &reply),
        Action::Hang => Preview::incomplete(name),
        Action::Spoil(spoiling) => match spoiling {
            Spoiling::Lost | Spoiling::Truncated | Spoiling::Slow | Spoiling::Huge => {
                Preview::incomplete(name)
            }
            // There is no token in an answer of `/me` to be spoilt.
            Spoiling::EmptyToken | Spoiling::NoLifetime => dead().unwrap_or(Preview::WELL),
        },
        // A killing fault is never armed.
        Action::Kill(_) => dead().unwrap_or(Preview::WELL),
    })
}

/// The fault that makes a token die so.
fn killer(death: Death) -> Fault {
    match death {
        Death::Expired => Fault::Expired,
        Death::Revoked => Fault::Revoked,
        Death::RevokedWithoutSubcode => Fault::RevokedWithoutSubcode,
        Death::PasswordChanged => Fault::PasswordChanged,
        Death::PasswordChangedWithoutSubcode => Fault::PasswordChangedWithoutSubcode,
        Death::LoggedOut => Fault::LoggedOut,
        Death::Malformed => Fault::DeadWithoutReason,
    }
}

#[cfg(test)]
mod tests {
    use super::super::people::everybody;
    use super::super::world::{Armed, BASIC, TokenKind};
    use super::*;

    fn world() -> (World, String) {
        let people = everybody();
        let ada = people.first().unwrap().clone();
        let id = ada.id.clone();
        let mut world = World::new(people);
        world.issue("t".to_owned(), TokenKind::Long, ada, vec![BASIC.to_owned()], Timestamp::UNIX_EPOCH);
        (world, id)
    }

    fn arm(world: &mut World, fault: Fault, times: Option<u32>) {
        world.arm(Armed { account: None, fault, endpoint: None, times });
    }

    #[test]
    fn nobody_without_a_grant_has_one() {
        let (world, _) = world();
        assert_eq!(preview(&world, "27640875392278831", Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn looking_does_not_count_a_fault_down() {
        let (mut world, ada) = world();
        arm(&mut world, Fault::BareUnauthorized, Some(1));
        let expected =
            Preview { fault: Some("bare_unauthorized"), status: Some(401), readable: false, code: None };
        for _ in 0..2 {
            assert_eq!(preview(&world, &ada, Timestamp::UNIX_EPOCH), Some(expected.clone()));
        }
        assert_eq!(world.meet(Endpoint::Me, Some(&ada)), Some(Fault::BareUnauthorized));
        assert_eq!(preview(&world, &ada, Timestamp::UNIX_EPOCH), Some(Preview::WELL));
    }

    #[test]
    fn a_death_is_named_by_what_kills_so() {
        for fault in Fault::ALL {
            let Action::Kill(death) = reply::action(*fault, Endpoint::Me) else { continue };
            let (mut world, ada) = world();
            world.kill_all(None, death, Timestamp::UNIX_EPOCH);
            let found = preview(&world, &ada, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!((found.fault, found.status, found.code), (Some(fault.as_str()), Some(400), Some(190)));
        }
    }

    #[test]
    fn what_is_no_complete_json_is_not_called_so() {
        for (fault, status) in [(Fault::Hang, None), (Fault::LostReply, None), (Fault::HtmlOk, Some(200))] {
            let (mut world, ada) = world();
            arm(&mut world, fault, None);
            let found = preview(&world, &ada, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!((found.status, found.readable), (status, false), "{fault:?}");
        }
    }
}
