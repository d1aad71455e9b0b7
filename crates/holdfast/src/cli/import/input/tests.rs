use secrecy::ExposeSecret as _;

use super::*;

#[test]
fn a_date_far_off_is_not_known_and_a_number_a_mistake() {
    let at = |text| time(text).map(|at| at.map(Timestamp::as_second));
    for never in ["9999-12-31T23:59:59Z", "9999-12-31 23:59:59.999999+00", "9999-12-30T22:00:01Z"] {
        assert_eq!(at(never), Ok(Some(TIMES.end)), "{never}");
    }
    assert_eq!(at("0001-01-01T00:00:00Z"), Ok(Some(TIMES.start)), "not known");
    assert_eq!(at("253402300799"), Err(()), "as likely a mistake as milliseconds");
}

type Read = (u64, Result<String, &'static str>);

fn read(text: &'static [u8]) -> Vec<Read> {
    let shown = |entry: Entry| {
        let Offered { access_token, obtained_at, expires_at } = entry.offered;
        let times = [obtained_at, expires_at].map(|time| time.map(Timestamp::as_second));
        format!("{} {} {times:?}", entry.owner.as_str(), access_token.expose_secret())
    };
    lines(Box::new(text))
        .unwrap()
        .map(|line| (line.number, line.entry.map(shown).map_err(|error| error.why)))
        .collect()
}

#[test]
fn both_forms_say_the_same() {
    let wanted = "user_1 IGAA1 [Some(1760000000), Some(1765000000)]".to_owned();
    for text in [
        &b"user_id,access_token,obtained_at,token_expires_at\nuser_1,IGAA1,1760000000,1765000000\n"[..],
        b"\xef\xbb\xbfToken_Expires_At,Access_Token,User_Id,Obtained_At,x\r\n2025-12-06T05:46:40Z,\"IGAA1\",user_1,2025-10-09T08:53:20Z,y\r\n",
        b"user_id,access_token,token_expires_at,obtained_at\nuser_1, IGAA1 ,2025-12-06 05:46:40+00,2025-10-09 08:53:20+00",
    ] {
        assert_eq!(read(text), [(2, Ok(wanted.clone()))]);
    }
    let json = b"{\"user_id\":\"user_1\",\"access_token\":\"IGAA1\",\"obtained_at\":1760000000,\"token_expires_at\":\"1765000000\"}\n\n{}";
    assert_eq!(
        read(json),
        [(1, Ok(wanted)), (3, Err("user_id is not a Clerk user id, which begins with user_"))]
    );
}

#[test]
fn two_files_in_one_and_a_member_twice_are_named() {
    let second = Err("it is a second header");
    let text = b"user_id,access_token\nuser_1,IGAA1\nUser_Id, access_token\nuser_2,IGAA2\n";
    let good = |user| Ok(format!("user_{user} IGAA{user} [None, None]"));
    assert_eq!(read(text), [(2, good(1)), (3, second), (4, good(2))]);
    let text = b"{\"user_id\":\"user_1\",\"access_token\":\"IGAA1\",\"access_token\":\"IGAA2\"}\n[\"user_1\",\"IGAA1\"]";
    assert_eq!(read(text), [(1, Err("a member is there twice")), (2, Err("it is not a JSON object"))]);
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_goes_on() {
    let text = b"user_id,access_token,token_expires_at\n\
        ada,IGAA1,\nuser_1,,\nuser_1,IG AA,\nuser_1,IGAA1,soon\nuser_1,IGAA1,1765000000000\nuser_1\nuser_2,IGAA2,\n";
    let found = read(text);
    assert_eq!(found.len(), 7);
    assert_eq!(found.iter().filter(|(_, entry)| entry.is_err()).count(), 6);
    assert_eq!(found.last().unwrap(), &(8, Ok("user_2 IGAA2 [None, None]".to_owned())));
}

#[test]
fn a_line_may_be_of_any_length_and_of_any_bytes() {
    let long: &'static [u8] = [
        b"{\"user_id\":\"".to_vec(),
        vec![b'x'; 200_000],
        b"\"}\n\xff\xfe\n{\"user_id\":\"user_1\",\"access_token\":\"IGAA1\"}\n".to_vec(),
    ]
    .concat()
    .leak();
    let found = read(long);
    assert_eq!(found[0], (1, Err("the line is too long")));
    assert_eq!(found[1], (2, Err("it is not a JSON object")));
    assert_eq!(found[2].1, Ok("user_1 IGAA1 [None, None]".to_owned()));
}

#[test]
fn a_table_that_is_damaged_loses_no_line_without_a_word() {
    let long: &'static [u8] = [
        b"user_id,access_token,name\nuser_1,\"".to_vec(),
        vec![b'x'; 200_000],
        b"\n\"\n\nuser_2,IGAA2,J\xfcrgen\nuser_3,\"IGAA3\nuser_4,IGAA4,\"\nuser_5,IGAA5,\"a\nb\"\n".to_vec(),
        b"user_6,\"IGAA6\nuser_7,IGAA7\n".to_vec(),
    ]
    .concat()
    .leak();
    let good = |user| Ok(format!("user_{user} IGAA{user} [None, None]"));
    assert_eq!(
        read(long),
        [
            (2, Err("the record is too long")),
            (5, good(2)),
            (6, Err("quotation marks join this line with the next ones")),
            (8, good(5)),
            (10, Err("a quotation mark is never closed; the lines after this one were not read")),
        ]
    );
}

#[test]
fn a_line_that_cannot_be_used_says_whom_it_is_about() {
    let text = &b"user_id,access_token\nuser_1,\nada,IGAA1\n"[..];
    let owner = |line: Line| line.entry.unwrap_err().owner.map(|owner| owner.as_str().to_owned());
    let found: Vec<_> = lines(Box::new(text)).unwrap().map(owner).collect();
    assert_eq!(found, [Some("user_1".to_owned()), None]);
}

#[test]
fn a_table_without_its_columns_is_a_mistake() {
    for text in [
        &b""[..],
        b"user_1,IGAA1\n",
        b"user_id,token\nuser_1,IGAA1\n",
        b"user_id,access_token,Access_Token\nuser_1,IGAA1,IGAA2\n",
        b"\xff\xfeu\0s\0e\0r\0_\0i\0d\0",
    ] {
        let failure = lines(Box::new(text)).map(|_| ()).unwrap_err();
        assert!(!failure.sentence.contains("IGAA1"), "{failure}");
    }
}

#[test]
fn what_is_no_text_is_told_as_what_it_is() {
    for (text, told) in [
        (&b"\xff\xfeu\0s\0e\0r\0_\0i\0d\0"[..], "in UTF-16"),
        (b"u\0s\0e\0r\0_\0i\0d\0", "in UTF-16"),
        (b"\0user_id,access_token\nuser_1,IGAA1\n", "byte 1 is NUL"),
        (b"PK\x03\x04\x14\0\x06\0\x08\x01\x02\x03\x04\x05", "byte 6 is NUL"),
        (&[0; 4096], "nothing but NUL bytes"),
    ] {
        let failure = lines(Box::new(text)).map(|_| ()).unwrap_err();
        assert!(failure.sentence.contains(told), "{told}: {failure}");
    }
}
