use std::path::Path;

/// The pages of docs/reference are what the code says. `scripts/reference.sh` writes them anew.
#[test]
fn the_generated_pages_are_fresh() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for (name, text) in holdfast::cli::reference::pages() {
        let stored = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(stored == text, "docs/reference/{name} is stale: run scripts/reference.sh");
    }
}
