//! Where a blob belongs.

/// The location that a blob is sealed for. All of it is authenticated, none of it is stored in the
/// blob, so a blob that was swapped with another or rolled back to an older version does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    /// Table.
    pub table: &'a str,
    /// Column.
    pub column: &'a str,
    /// Primary key of the row.
    pub row: &'a str,
    /// The owner.
    pub user_id: &'a str,
    /// The provider's stable name; empty where none is concerned.
    pub provider: &'a str,
    /// Version of what is sealed; 0 where it has none.
    pub version: i64,
}

impl<'a> Location<'a> {
    /// The location of a user's own data key.
    pub(super) fn user_key(user_id: &'a str) -> Self {
        Self { table: "user_keys", column: "blob", row: user_id, user_id, provider: "", version: 0 }
    }

    /// The location of a key's sentinel.
    pub(super) fn sentinel(key_id: &'a str) -> Self {
        Self {
            table: "key_ring_sentinel",
            column: "blob",
            row: key_id,
            user_id: "",
            provider: "",
            version: 0,
        }
    }

    /// Additional authenticated data: the blob's header and every part of the location, each behind
    /// its length as 64 bits big-endian, so that no two locations have the same encoding.
    pub(super) fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        let parts = [
            header,
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            self.user_id.as_bytes(),
            self.provider.as_bytes(),
            &version,
        ];
        let mut out = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
        for part in parts {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}
