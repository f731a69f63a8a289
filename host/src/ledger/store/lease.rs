//! Who may write: one process for each ledger's name, found out and enforced by the database.
//!
//! The lease has an epoch that grows with each takeover. Whoever works renews it; when it has not been renewed for its
//! length, by the database's clock, another takes over under a new epoch and has the server end the connections of the
//! old one. Every batch ends with a check of the epoch in its own transaction, on a row that a takeover must change: so
//! a process that was paused for any time and wakes up again cannot commit.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgConnection;

/// The right to write as the ledger of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `ledger.name`.
    pub name: String,
    /// Which holder it is, counted from 1.
    pub epoch: i64,
}

impl Lease {
    /// How the server knows the connections of this holder.
    pub fn session(&self) -> String {
        format!("{}{}", sessions(&self.name), self.epoch)
    }

    /// Takes the lease where nobody has renewed it for `length`. `None`: somebody holds it.
    ///
    /// # Errors
    ///
    /// The database does not answer, or the last holder is stuck between its check and its commit: try again.
    pub async fn take(
        connection: &mut PgConnection,
        name: &str,
        holder: &str,
        length: Duration,
    ) -> anyhow::Result<Option<Self>> {
        // Looked at first without a lock: those who stand by do not disturb the one who works.
        let free: Option<(bool,)> = sqlx::query_as(
            "SELECT renewed < clock_timestamp() - make_interval(secs => $2) FROM ledger.lease WHERE name = $1",
        )
        .bind(name)
        .bind(length.as_secs_f64())
        .fetch_optional(&mut *connection)
        .await?;
        if free == Some((false,)) {
            return Ok(None);
        }
        let taken: Option<(i64,)> = sqlx::query_as(
            "INSERT INTO ledger.lease AS held (name, epoch, holder, renewed) VALUES ($1, 1, $2, clock_timestamp())
             ON CONFLICT (name) DO UPDATE SET epoch = held.epoch + 1, holder = excluded.holder, renewed = clock_timestamp()
             WHERE held.renewed < clock_timestamp() - make_interval(secs => $3)
             RETURNING epoch",
        )
        .bind(name)
        .bind(holder)
        .bind(length.as_secs_f64())
        .fetch_optional(&mut *connection)
        .await
        .context("cannot take the lease")?;
        let Some((epoch,)) = taken else { return Ok(None) };
        let lease = Self { name: name.to_owned(), epoch };
        lease.end_others(connection).await?;
        Ok(Some(lease))
    }

    /// Has the server end what is left of earlier holders: half a batch of theirs would hold up those who come after.
    async fn end_others(&self, connection: &mut PgConnection) -> anyhow::Result<()> {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
               AND starts_with(application_name, $1) AND application_name <> $2",
        )
        .bind(sessions(&self.name))
        .bind(self.session())
        .execute(connection)
        .await
        .context("cannot end the connections of the last holder")?;
        Ok(())
    }

    /// A sign of life. False: another has taken over.
    ///
    /// # Errors
    ///
    /// The database does not answer.
    pub async fn renew(&self, connection: &mut PgConnection) -> anyhow::Result<bool> {
        let renewed = sqlx::query("UPDATE ledger.lease SET renewed = clock_timestamp() WHERE name = $1 AND epoch = $2")
            .bind(&self.name)
            .bind(self.epoch)
            .execute(connection)
            .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Lets another take over at once.
    ///
    /// # Errors
    ///
    /// The database does not answer: the other waits for the lease's length then.
    pub async fn release(&self, connection: &mut PgConnection) -> anyhow::Result<()> {
        sqlx::query("UPDATE ledger.lease SET renewed = '-infinity' WHERE name = $1 AND epoch = $2")
            .bind(&self.name)
            .bind(self.epoch)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Within the transaction of a batch, last: whether this is still the holder. Until the transaction ends, nobody
    /// takes over.
    pub(super) async fn holds(&self, transaction: &mut PgConnection) -> sqlx::Result<bool> {
        let held: Option<(i32,)> =
            sqlx::query_as("SELECT 1 FROM ledger.lease WHERE name = $1 AND epoch = $2 FOR SHARE")
                .bind(&self.name)
                .bind(self.epoch)
                .fetch_optional(transaction)
                .await?;
        Ok(held.is_some())
    }
}

fn sessions(name: &str) -> String {
    format!("trunkline-ledger/{name}/")
}
