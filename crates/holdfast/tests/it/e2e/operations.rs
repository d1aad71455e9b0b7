//! Every operation of the OpenAPI document that the router itself makes, and how each is called as
//! it should be: with the right credential, about things that exist. One without a recipe here
//! fails every test that walks them.

use holdfast::standin::clerk::{Deliver, EventKind, Person};
use holdfast::standin::instagram::{Decision, decide};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::edge::client::Raw;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO, Returned, SignedIn};
use crate::testing::database::execute_on;
use crate::testing::leaks;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub method: Method,
    /// As in the document, with its parameters.
    pub path: String,
}

/// What an operation has Instagram do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: it must do as if nothing were wrong there.
    Nothing,
    /// Whose the grant is.
    Whose,
    /// What the app's backend wants.
    Graph,
    /// Takes the browser through the dance, or hands out a grant.
    Dance,
}

impl Operation {
    /// What it has Instagram do.
    pub fn asks(&self) -> Asks {
        match (self.method.as_str(), self.path.as_str()) {
            ("POST", "/user/instagram/check" | "/service/users/{user_id}/instagram/check") => Asks::Whose,
            (_, "/service/users/{user_id}/instagram/graph/{path}") => Asks::Graph,
            ("GET", "/instagram/callback") | ("POST", "/user/instagram/connect/{attempt_id}/complete") => {
                Asks::Dance
            }
            _ => Asks::Nothing,
        }
    }
}

/// All of them.
pub async fn all(app: &App) -> Vec<Operation> {
    let document = app.get("/openapi.json").await.json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        // What else a path can have, such as `parameters`, is no method.
        for (name, _) in item.as_object().unwrap().iter().filter(|(_, each)| each["responses"].is_object()) {
            let method = name.to_uppercase().parse().unwrap();
            operations.push(Operation { method, path: path.clone() });
        }
    }
    operations
}

/// Somebody with an account at Instagram.
pub struct Member<'a> {
    pub app: &'a App,
    pub person: Person,
    pub account: &'static str,
    pub here: SignedIn<'a>,
    /// The service key of the app's backend.
    pub service_key: &'a str,
}

/// What an operation answered.
pub struct Outcome {
    pub status: StatusCode,
    pub body: Value,
}

impl<'a> Member<'a> {
    pub fn new(app: &'a App, person: Person, service_key: &'a str) -> Self {
        let account = match person {
            Person::Ada => "ada.makes",
            Person::Grace => "grace.hops",
            Person::Edsger => "edsger.writes",
        };
        Self { app, person, account, here: app.sign_in(person), service_key }
    }

    /// A request of the app's backend about this person.
    pub async fn service(&self, method: Method, path: &str, body: Option<Value>) -> Outcome {
        let path = format!("/service/users/{}/instagram/{path}", self.person.user_id());
        let authorization = format!("Bearer {}", self.service_key);
        outcome(&self.app.request(method, &path, Some(&authorization), body).await)
    }

    pub async fn get(&self, path: &str) -> Outcome {
        self.service(Method::GET, path, None).await
    }

    /// Takes the grant.
    pub async fn token(&self) -> Outcome {
        self.service(Method::POST, "token", None).await
    }

    /// Calls the operation.
    pub async fn call(&self, operation: &Operation) -> Outcome {
        let (method, path) = (operation.method.clone(), operation.path.as_str());
        match (method.as_str(), path) {
            (
                "GET",
                "/forward-auth"
                | "/forward-auth/{path}"
                | "/user/profile"
                | "/user/instagram/status"
                | "/user/instagram/history",
            )
            | ("POST", "/auth/sync" | "/user/instagram/check")
            | ("DELETE", "/user/instagram") => outcome(&self.here.send(method, path, None).await),
            ("POST", "/user/instagram/connect") => {
                let wish = json!({"return_to": RETURN_TO});
                outcome(&self.here.send(method, path, Some(wish)).await)
            }
            ("GET", "/instagram/callback") => outcome(&self.come_back().await),
            ("POST", "/user/instagram/connect/{attempt_id}/complete") => {
                outcome(&self.here.complete(&self.approve().await).await)
            }
            ("GET", "/user/events") => self.first_event_for(&self.here.authorization()).await,
            ("GET", "/service/users/{user_id}/instagram/status") => {
                self.service(method, "status", None).await
            }
            ("GET", "/service/users/{user_id}/instagram/history") => {
                self.service(method, "history", None).await
            }
            ("POST", "/service/users/{user_id}/instagram/check") => self.service(method, "check", None).await,
            ("DELETE", "/service/users/{user_id}/instagram") => {
                let path = path.replace("{user_id}", self.person.user_id());
                let authorization = format!("Bearer {}", self.service_key);
                outcome(&self.app.request(method, &path, Some(&authorization), None).await)
            }
            ("GET", "/service/connections") => {
                let authorization = format!("Bearer {}", self.service_key);
                outcome(&self.app.request(method, path, Some(&authorization), None).await)
            }
            ("POST", "/service/users/{user_id}/instagram/token") => self.service(method, "token", None).await,
            ("GET", "/service/users/{user_id}/instagram/graph/{path}") => {
                self.service(method, "graph/me/media?fields=id", None).await
            }
            ("POST", "/service/users/{user_id}/instagram/graph/{path}") => {
                let post = json!({"image_url": "https://app.example.com/p.jpg"});
                self.service(method, "graph/me/media", Some(post)).await
            }
            ("DELETE", "/service/users/{user_id}/instagram/graph/{path}") => {
                self.service(method, "graph/17889455560051444", None).await
            }
            ("POST", "/webhooks/clerk") => {
                let told = self.app.clerk.send_webhook(EventKind::Updated, self.person, Deliver::Once);
                of_status(told.await.unwrap()[0].status.expect("an answer"))
            }
            ("POST", "/webhooks/instagram/deauthorize") => {
                of_status(self.app.instagram.deauthorize(self.account).await.unwrap().status)
            }
            ("POST", "/webhooks/instagram/data-deletion") => of_status(self.erase().await.0),
            ("GET", "/data-deletion/{code}") => {
                let code = self.erase().await.1;
                outcome(&self.app.get(&path.replace("{code}", &code)).await)
            }
            ("GET", "/docs/errors/{code}") => {
                outcome(&self.app.get(&path.replace("{code}", "rate_limited")).await)
            }
            ("GET", "/" | "/healthz" | "/readyz" | "/openapi.json" | "/docs" | "/docs/errors") => {
                outcome(&self.app.get(path).await)
            }
            _ => panic!("{method} {path} is new: say here how it is called, and what it has Instagram do"),
        }
    }

    /// To Instagram, where it is approved, and back up to where the page would complete.
    pub async fn approve(&self) -> Returned {
        self.here.approve(self.account).await
    }

    /// The same up to our callback's own answer.
    pub async fn come_back(&self) -> holdfast::transport::Answer {
        let url = self.here.connect().await;
        let approval = decide(url.parse().unwrap(), self.account, &Decision::Approve);
        let back = self.app.send(approval).await.location();
        self.app.get(&format!("{}?{}", back.path(), back.query().unwrap_or_default())).await
    }

    /// Has Instagram ask for the deletion of this person's data: the answer's status and the
    /// confirmation code.
    async fn erase(&self) -> (u16, String) {
        // Two requests of one second are the same, and the second has the first one's receipt.
        execute_on(&self.app.place, "DELETE FROM data_deletions").await;
        let told = self.app.instagram.request_deletion(self.account).await.unwrap();
        let code = told.answer.and_then(|answer| answer["confirmation_code"].as_str().map(str::to_owned));
        (told.status, code.unwrap_or_default())
    }

    /// The stream up to its first event, whose data is the body.
    pub async fn first_event_for(&self, authorization: &str) -> Outcome {
        let mut stream = Raw::connect(self.app.address()).await;
        leaks::secret_if_long(authorization.trim_start_matches("Bearer "));
        let request =
            format!("GET /user/events HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\r\n");
        stream.send(request.as_bytes()).await.unwrap();
        let told = stream.until("\ndata: ").await + &stream.until("\n\n").await;
        let data = told.split_once("\ndata: ").and_then(|(_, data)| data.lines().next()).unwrap();
        let status = told.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        Outcome { body: serde_json::from_str(data).unwrap(), ..of_status(status) }
    }
}

fn outcome(answer: &holdfast::transport::Answer) -> Outcome {
    let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::String(answer.text()));
    Outcome { status: answer.status, body }
}

fn of_status(status: u16) -> Outcome {
    Outcome { status: StatusCode::from_u16(status).expect("a status"), body: Value::Null }
}
