//! What becomes a route, what a value, and what neither.

use super::segment::is_value;
use super::*;

/// Asks as a gateway thread does, and says under which name the request was counted.
fn ask(reader: &mut Reader, method: Method, target: &str, status: u16) -> String {
    let asked = reader.find(method, target.as_bytes());
    let id = reader.settle(&asked, method, status, &|_| 0);
    reader.routes.name(id).map_or(OTHER.to_owned(), |name| name.to_string())
}

fn reader() -> Reader {
    Reader::new(Arc::default())
}

#[test]
fn a_value_is_told_from_a_word_by_its_looks() {
    let values = [
        "42",
        "0",
        "2024-05-01",
        "550e8400-e29b-41d4-a716-446655440000",
        "507f1f77bcf86cd799439011",
        "3f9a2b1c",
        "order-12345",
        "u-123",
        "cus_9s6XKzkNRiz8i3",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx",
        "getting-started-with-node-20",
        "app.3f9a2b1c4d.js",
        "a%20b",
        "me@example.org",
        "ünder",
        "a-segment-so-long-that-nobody-would-write-it-into-a-route",
    ];
    for value in values {
        assert!(is_value(value.as_bytes()), "{value}");
    }
    let words =
        ["users", "v1", "v2beta", "oauth2", "me", "sign-in", "index.html", "facade", "deadbeef", "s3"];
    for word in words {
        assert!(!is_value(word.as_bytes()), "{word}");
    }
}

#[test]
fn a_route_is_learned_from_the_paths_that_the_app_knows() {
    let table = [
        ("/", "GET /"),
        ("/users/42", "GET /users/:id"),
        ("/users/43?page=2", "GET /users/:id"),
        ("/users/me", "GET /users/me"),
        ("/users/42/orders/7", "GET /users/:id/orders/:id"),
        ("//users//44/", "GET /users/:id"),
        ("http://shop.example/users/45", "GET /users/:id"),
        ("http://shop.example", "GET /"),
        ("*", "GET /*"),
        ("/a/b/c/d/e/f/g/h/i/j/k/l", "GET /a/b/c/d/e/f/g/h/i/j/*"),
        ("/a/b/c/d/e/f/g/h/i/j/x/y/z", "GET /a/b/c/d/e/f/g/h/i/j/*"),
    ];
    let mut reader = reader();
    for (target, route) in table {
        assert_eq!(ask(&mut reader, Method::Get, target, 200), route, "{target}");
    }
    assert_eq!(ask(&mut reader, Method::Delete, "/users/42", 204), "DELETE /users/:id");
}

#[test]
fn a_request_has_a_name_while_it_is_on_trial() {
    let mut reader = reader();
    let asked = reader.find(Method::Post, b"/reports/17?x");
    assert_eq!(reader.routes.name(asked.id).unwrap().to_string(), "POST /reports/:id");
    let known = reader.settle(&asked, Method::Post, 200, &|_| 0);
    assert_ne!(known, asked.id);
    assert_eq!(reader.find(Method::Post, b"/reports/18"), Asked { id: known, trial: None });
}

#[test]
fn what_the_app_does_not_know_makes_no_route() {
    let mut reader = reader();
    for status in [404, 405, 401, 403, 429, 301, 499, 0] {
        assert_eq!(ask(&mut reader, Method::Get, "/wp-admin.php", status), OTHER, "{status}");
    }
    assert_eq!(reader.routes.size(), (0, 0));
    // It is known by then, whatever it answers.
    for (status, route) in [(200, "GET /login"), (404, "GET /login"), (401, "GET /login")] {
        assert_eq!(ask(&mut reader, Method::Get, "/login", status), route, "{status}");
    }
}

#[test]
fn many_words_at_one_place_are_values() {
    let mut reader = reader();
    let id = reader.find(Method::Get, b"/posts/word-a");
    let first = reader.settle(&id, Method::Get, 200, &|_| 0);
    for letter in 'a'..='z' {
        for second in ['a', 'b', 'c'] {
            let _name = ask(&mut reader, Method::Get, &format!("/posts/word-{letter}{second}"), 200);
            let _name = ask(&mut reader, Method::Get, &format!("/posts/word-{letter}{second}/edit"), 200);
        }
    }
    assert_eq!(ask(&mut reader, Method::Get, "/posts/never-seen", 200), "GET /posts/:id");
    assert_eq!(ask(&mut reader, Method::Get, "/posts/never-seen/edit", 200), "GET /posts/:id/edit");
    assert_eq!(
        reader.routes.name(first).unwrap().to_string(),
        "GET /posts/:id",
        "what was counted goes along"
    );
    assert_eq!(reader.routes.size().0, 2);
}

#[test]
fn words_that_are_asked_for_often_stay_words() {
    let mut reader = reader();
    let hits = |_| 100;
    for letter in 'a'..='z' {
        for second in ['x', 'y', 'z'] {
            let asked = reader.find(Method::Get, format!("/word-{letter}{second}").as_bytes());
            let _id = reader.settle(&asked, Method::Get, 200, &hits);
        }
    }
    assert_eq!(reader.routes.size().0, 78);
    assert_eq!(ask(&mut reader, Method::Get, "/word-ax", 200), "GET /word-ax");
}

#[test]
fn a_framework_knows_better() {
    let mut reader = reader();
    assert_eq!(ask(&mut reader, Method::Get, "/blog/my-post", 200), "GET /blog/my-post");
    let told = |reader: &Reader, path: &str, template: &str| {
        let id = reader.routes.tell(Method::Get, path.as_bytes(), template)?;
        Some(reader.routes.name(id).unwrap().to_string())
    };
    assert_eq!(told(&reader, "/blog/my-post", "/blog/:slug").unwrap(), "GET /blog/:slug");
    assert_eq!(ask(&mut reader, Method::Get, "/blog/my-post", 200), "GET /blog/:slug");
    assert_eq!(ask(&mut reader, Method::Get, "/blog/another", 200), "GET /blog/:slug");
    assert_eq!(told(&reader, "/blog/archive", "/blog/archive").unwrap(), "GET /blog/archive");
    assert_eq!(ask(&mut reader, Method::Get, "/blog/archive", 200), "GET /blog/archive");
    assert_eq!(told(&reader, "/v/2024", "/v/2024").unwrap(), "GET /v/2024", "a word, whatever it looks like");
    assert_eq!(ask(&mut reader, Method::Get, "/v/2024", 200), "GET /v/2024");
    assert_eq!(told(&reader, "/h/7/x", "/h/{id}/{p*}").unwrap(), "GET /h/:id/*");
    assert_eq!(ask(&mut reader, Method::Get, "/h/8/y/z", 200), "GET /h/:id/*");
    // What cannot be laid on the path is of no use.
    for (path, template) in [("/a/b", "/a"), ("/a", "/a/:b?"), ("/a/b", "/x/:y"), ("/a", &"/a".repeat(400))] {
        assert_eq!(told(&reader, path, template), None, "{template}");
    }
}

#[test]
fn there_is_an_end_to_what_is_learned() {
    let mut reader = reader();
    let hits = |_| 100;
    for first in 0..40 {
        for second in 0..40 {
            let path = format!("/w{}/x{}", word(first), word(second));
            let asked = reader.find(Method::Get, path.as_bytes());
            let _id = reader.settle(&asked, Method::Get, 200, &hits);
            // Enough requests for the next trial.
            (0..REQUESTS_PER_TRIAL).for_each(|_| drop(reader.find(Method::Get, path.as_bytes())));
        }
    }
    let (size, refused) = reader.routes.size();
    assert!(size <= 1000 && refused > 0, "{size} {refused}");
    assert_eq!(ask(&mut reader, Method::Get, "/new", 200), OTHER);
}

/// A word without digits.
fn word(number: u32) -> String {
    [number / 26 + 97, number % 26 + 97].into_iter().filter_map(char::from_u32).collect()
}

#[test]
fn a_flood_of_unknown_paths_waits_for_no_lock() {
    let mut reader = reader();
    let mut trials = 0;
    for n in 0..10_000 {
        let asked = reader.find(Method::Get, format!("/scan-{}", word(n % 676)).as_bytes());
        trials += u32::from(asked.trial.is_some());
        let _other = reader.settle(&asked, Method::Get, 404, &|_| 0);
    }
    assert!(trials < 1000, "{trials}");
}

proptest::proptest! {
    #[test]
    fn any_path_has_a_name_of_bounded_length(target in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let mut reader = reader();
        let asked = reader.find(Method::Get, &target);
        let id = reader.settle(&asked, Method::Get, 200, &|_| 0);
        for id in [asked.id, id] {
            let name = reader.routes.name(id).unwrap();
            assert!(name.template.starts_with('/') && name.template.len() <= 600, "{name}");
        }
        let again = reader.find(Method::Get, &target);
        assert_eq!(again, Asked { id, trial: None });
    }
}
