// One connection by its owner, from Postgres through a pool or from a SQLite file.
export async function openStore(kind) {
  const columns = "SELECT username, expires_at FROM instagram_connections WHERE user_id =";
  if (kind === "sqlite") {
    const { default: Database } = await import("better-sqlite3");
    const statement = new Database(process.env.SQLITE_FILE, { readonly: true }).prepare(
      `${columns} ? AND status = 'active'`,
    );
    return async (userId) => statement.get(userId);
  }
  const { default: pg } = await import("pg");
  // Where it connects stands in PGHOST, PGUSER and PGDATABASE.
  const pool = new pg.Pool({ max: 10 });
  return async (userId) =>
    (await pool.query(`${columns} $1 AND status = 'active'`, [userId])).rows[0];
}
