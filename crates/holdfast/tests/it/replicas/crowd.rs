//! Two thousand open streams on one process: what each costs, and that others are served meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use holdfast::clock::SystemClock;
use holdfast::standin::clerk::Person;
use http::StatusCode;

use super::processes::{serves, start};
use crate::testing::app::App;
use crate::testing::database::{Engine, Place};
use crate::testing::events::EventStream;
use crate::testing::ports::ReservedPort;
use crate::testing::program::{self, Running};
use crate::testing::waiting::until;

const STREAMS: usize = 2000;
/// Streams of each user; fewer than a user may have.
const OF_EACH: usize = 10;
/// More than were ever measured, also without optimization: about 40 KiB.
const MOST_KIB_EACH: u64 = 128;

/// Resident memory in KiB, and processor time in hundredths of a second.
fn cost(process: &Running) -> (u64, u64) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", process.child.id())).unwrap();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let stat = read("stat");
    // After the name, which is in parentheses: utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (resident.trim().trim_end_matches(" kB").parse().unwrap(), ticks)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_streams_cost_little_and_keep_nobody_out() {
    let app = App::on(Place::new(Engine::Postgres).await, Arc::new(SystemClock), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let port = ReservedPort::new();
    let address = port.address();
    let place = program::Place::of(app.environment.clone())
        .with("HOLDFAST_LISTEN", address.to_string())
        .with("HOLDFAST_WORKER", "off");
    let mut server = start(&place, &["serve"]);
    serves(&mut server, address).await;
    let base: url::Url = format!("http://{address}/").parse().unwrap();
    let at_server = ada.to(&base);
    until("it judges", async || at_server.get("/user/instagram/status").await.status == StatusCode::OK).await;

    let users: Vec<String> = (0..STREAMS / OF_EACH)
        .map(|number| app.lasting_authorization(&format!("user_2crowd{number:04}")))
        .collect();
    let open = async |user: &String| {
        let mut stream = EventStream::open(&base, user, None).await.expect("a stream");
        assert_eq!(stream.status().await.1["state"], "not_connected");
        stream
    };
    // Fills pools and caches, so that what is measured afterwards is the streams.
    drop(stream::iter(&users[..20]).then(&open).collect::<Vec<_>>().await);
    let (before, _) = cost(&server);
    let began = Instant::now();
    let asked = users.iter().flat_map(|user| std::iter::repeat_n(user, OF_EACH));
    let streams: Vec<_> = stream::iter(asked).map(&open).buffer_unordered(16).collect().await;
    let opened = began.elapsed();
    assert_eq!(streams.len(), STREAMS);
    let (resident, ticks) = cost(&server);
    let each = resident.saturating_sub(before) / STREAMS as u64;

    let mut slowest = Duration::ZERO;
    let idle = Instant::now();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = Instant::now();
        assert_eq!(at_server.get("/user/instagram/status").await.status, StatusCode::OK);
        slowest = slowest.max(asked.elapsed());
    }
    let used = Duration::from_millis((cost(&server).1 - ticks) * 10);
    let busy = 100.0 * used.as_secs_f64() / idle.elapsed().as_secs_f64();
    println!(
        "{STREAMS} streams opened in {opened:?}: {each} KiB each ({before} to {resident} KiB), {busy:.1} % of a core while \
         idle, other callers answered within {slowest:?}"
    );
    assert!(each < MOST_KIB_EACH, "{each} KiB for each stream");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");

    // Somebody's change shows amid the crowd.
    let mut own = EventStream::open(&base, &ada.authorization(), None).await.expect("one more");
    own.state("connected").await;
    let since = Instant::now();
    app.instagram.deauthorize("ada.makes").await.unwrap();
    own.state("reconnect_required").await;
    println!("a change at another replica showed after {:?}", since.elapsed());

    // One user may not take them all, and all of them together not every connection.
    let greedy = app.lasting_authorization("user_2greedy");
    let mut held = Vec::new();
    let refused = loop {
        match EventStream::open(&base, &greedy, None).await {
            Ok(stream) => held.push(stream),
            Err(head) => break head,
        }
    };
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert_eq!(held.len(), 12);
}
