//! As many requests a second as are wanted, whether or not the server keeps up.
//!
//! A thread for each connection, because an asynchronous timer is as coarse as the answers are
//! fast. What is sent late, because the answer before it was late, has waited since it should have
//! been sent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Answers, Outcome, head};
use crate::{Fallible, LoadArgs};

/// Sends `requests` in turn, `rate` a second in all.
pub(super) fn run(args: &LoadArgs, requests: &[Vec<u8>], rate: f64) -> Fallible<Outcome> {
    let began = Instant::now() + Duration::from_millis(50);
    let gap = Duration::from_secs_f64(1.0 / rate);
    let count = (args.seconds * rate) as usize;
    let all: Fallible<Vec<Answers>> = std::thread::scope(|scope| {
        let connections: Vec<_> = (0..args.connections)
            .map(|connection| {
                let numbers = (connection..count).step_by(args.connections);
                scope.spawn(move || one(args, requests, numbers, |number| began + gap.mul_f64(number as f64)))
            })
            .collect();
        connections.into_iter().map(|each| each.join().map_err(|_| "a connection panicked")?).collect()
    });
    Ok(Outcome::of(all?, began))
}

fn one(
    args: &LoadArgs,
    requests: &[Vec<u8>],
    numbers: impl Iterator<Item = usize>,
    due: impl Fn(usize) -> Instant,
) -> Fallible<Answers> {
    let mut stream = TcpStream::connect(args.address)?;
    stream.set_nodelay(true)?;
    let mut answers = Answers::default();
    let mut buffer = vec![0; 16 * 1024];
    for number in numbers {
        let due = due(number);
        let early = due.saturating_duration_since(Instant::now());
        std::thread::sleep(early);
        // The alarm's own lateness is not the server's.
        let sent = if early.is_zero() { due } else { Instant::now() };
        stream.write_all(&requests[number % requests.len()])?;
        let mut filled = 0;
        let status = loop {
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                return Err("the server closed a connection in the middle of an answer".into());
            }
            filled += read;
            if let Some((status, total)) = head(&buffer[..filled])?
                && filled >= total
            {
                break status;
            }
        };
        *answers.statuses.entry(status).or_default() += 1;
        answers.micros.push(sent.elapsed().as_micros().try_into()?);
    }
    Ok(answers)
}
