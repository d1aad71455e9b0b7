//! The verdict with every step that led to it: the very verifier, watched.

use serde::{Serialize, Serializer};

use crate::cannot_judge::CannotJudge;
use crate::inactive::{Inactive, SESSION_PENDING};
use crate::keys::KeySet;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::token::quoted;
use crate::verifier::{Observer, Verdict, Verifier};

/// A verdict and how it came about. Never holds the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The verdict.
    pub verdict: VerdictWord,
    /// The stable code; `null` where accepted.
    pub code: Option<&'static str>,
    /// Every step in order.
    pub steps: Vec<ExplainedStep>,
    /// One sentence on the outcome.
    pub detail: String,
    /// The one thing that would mend it, serialized as its text; `null` where accepted.
    #[serde(serialize_with = "as_text")]
    pub remedy: Option<Remedy>,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// Acceptable.
    Accepted,
    /// Not acceptable.
    Refused,
    /// No verdict is possible.
    CannotJudge,
}

/// One step of the verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// Its name.
    pub step: &'static str,
    /// What came of it.
    pub outcome: StepOutcome,
    /// What was found.
    pub detail: String,
}

/// What came of a step. Exhaustive: a program that shows steps must have a word for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// In order.
    Passed,
    /// Not in order; the verdict rests on it.
    Failed,
    /// Not asked for by the settings, or nothing to check.
    Skipped,
    /// Not reached.
    NotReached,
}

#[derive(Default)]
struct Notes(Vec<ExplainedStep>);

impl Observer for Notes {
    fn passed(&mut self, step: Step, detail: impl FnOnce() -> String) {
        self.0.push(ExplainedStep { step: step.as_str(), outcome: StepOutcome::Passed, detail: detail() });
    }

    fn skipped(&mut self, step: Step, why: impl FnOnce() -> String) {
        self.0.push(ExplainedStep { step: step.as_str(), outcome: StepOutcome::Skipped, detail: why() });
    }
}

/// Judges `token` as [`Verifier::verify`] does and says how. Without `keys`, everything up to the
/// key is examined.
pub fn explain(
    verifier: &Verifier,
    token: &str,
    keys: Result<&KeySet, &CannotJudge>,
    now_ms: i64,
) -> Explanation {
    let mut notes = Notes::default();
    let none = KeySet::default();
    let outcome = verifier.run(token, keys.unwrap_or(&none), now_ms, &mut notes);
    let mut steps = notes.0;
    let outcome = match (outcome, keys) {
        (Err(refusal), Err(cannot)) if refusal.step == Step::Key => Verdict::CannotJudge(cannot.clone()),
        (Err(refusal), _) => Verdict::Refused(refusal),
        (Ok(claims), _) => Verdict::Accepted(Box::new(claims)),
    };
    let (verdict, code, failed, detail, remedy) = match outcome {
        Verdict::Accepted(claims) if let Some(why) = Inactive::of(&claims) => (
            VerdictWord::Refused,
            Some(SESSION_PENDING),
            Some((Step::Status, why.found())),
            format!("The token is genuine. {}", why.public_detail()),
            Some(why.remedy()),
        ),
        Verdict::Accepted(claims) => {
            let mut detail = "active".to_owned();
            if let Some(actor) = &claims.actor {
                let by = actor.subject.as_deref().unwrap_or("somebody");
                detail = format!("active, impersonated by {}", quoted(&by.into()));
            }
            steps.push(ExplainedStep { step: Step::Status.as_str(), outcome: StepOutcome::Passed, detail });
            (VerdictWord::Accepted, None, None, format!("accepted for {}", claims.subject), None)
        }
        Verdict::Refused(refusal) => (
            VerdictWord::Refused,
            Some(refusal.code.as_str()),
            Some((refusal.step, refusal.operator_detail().to_owned())),
            refusal.public_detail().to_owned(),
            Some(refusal.remedy().clone()),
        ),
        Verdict::CannotJudge(cannot) => (
            VerdictWord::CannotJudge,
            Some(cannot.reason.as_str()),
            Some((Step::Key, cannot.reason.detail().to_owned())),
            cannot.reason.detail().to_owned(),
            Some(Remedy::ReachKeys),
        ),
    };
    if let Some((step, detail)) = failed {
        steps.push(ExplainedStep { step: step.as_str(), outcome: StepOutcome::Failed, detail });
    }
    let reached = |step: Step| steps.iter().any(|each| each.step == step.as_str());
    let missing: Vec<_> = Step::ALL.iter().copied().filter(|step| !reached(*step)).collect();
    steps.extend(missing.into_iter().map(|step| ExplainedStep {
        step: step.as_str(),
        outcome: StepOutcome::NotReached,
        detail: String::new(),
    }));
    steps.sort_by_key(|each| Step::ALL.iter().position(|step| step.as_str() == each.step));
    Explanation { verdict, code, steps, detail, remedy }
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn as_text<S: Serializer>(remedy: &Option<Remedy>, serializer: S) -> Result<S::Ok, S::Error> {
    remedy.as_ref().map(ToString::to_string).serialize(serializer)
}
