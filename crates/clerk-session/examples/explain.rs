//! Says what each step of the verdict found: `cargo run --example explain < examples/token.txt`.
#![allow(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::io::Read as _;

use clerk_session::{KeySet, Policy, Verifier, explain, unwrapped};

fn main() -> Result<(), Box<dyn Error>> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    // People paste tokens with quotation marks, as cookies or in JSON.
    let inside = unwrapped(&input);
    let token = inside.as_ref().map_or(input.trim(), |inside| &inside.token);

    let keys = KeySet::from_pem(include_str!("key.pem"))?;
    let verifier = Verifier::new(Policy::default());
    let told = explain(&verifier, token, Ok(&keys), 1_800_000_010_000);
    for step in &told.steps {
        println!("{:?}: {} {}", step.outcome, step.step, step.detail);
    }
    println!("{:?}: {}", told.verdict, told.detail);
    if let Some(remedy) = &told.remedy {
        println!("→ {remedy}");
    }
    Ok(())
}
