//! A RabbitMQ of our own, from Debian's package, in a temporary folder and on free ports.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use trunkline::cdr::message;
use trunkline::cdr::record::CallRecord;
use trunkline::ledger::queue::content_type;

use crate::link::Link;
use crate::pki::Certificate;
use crate::ports::free_tcp;
use crate::process::Process;
use crate::wait::until;

/// The broker is up in about nine seconds on an idle machine.
const START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_mins(1);

/// Debian's wrapper in the path wants another user; these scripts are what it calls.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// A private broker with its own port mapper. Both end when dropped.
#[derive(Debug)]
pub struct Rabbit {
    server: Option<Process>,
    _mapper: Process,
    folder: TempDir,
    mapper_port: u16,
    dist_port: u16,
    address: SocketAddr,
    tls: Option<SocketAddr>,
}

impl Rabbit {
    /// Starts it and waits until it takes connections.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// As [`Rabbit::start`]; it takes TLS on another port too, from whoever shows a certificate of this authority.
    pub fn start_with_tls(own: &Certificate, authority: &Path) -> Result<Self> {
        let address = free_tcp()?;
        let Certificate { certificate, key } = own;
        let mut rabbit = Self::start_with(&format!(
            "listeners.ssl.1 = {address}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
            authority.display(),
            certificate.display(),
            key.display(),
        ))?;
        rabbit.tls = Some(address);
        Ok(rabbit)
    }

    fn start_with(more: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-rabbit-").context("no temporary folder")?;
        let (address, mapper_port, dist_port) = (free_tcp()?, free_tcp()?.port(), free_tcp()?.port());
        let config = format!(
            "listeners.tcp.1 = {address}\nloopback_users = none\nlog.console = true\nlog.console.level = warning\n{more}"
        );
        fs::write(folder.path().join("rabbitmq.conf"), config)?;
        fs::write(folder.path().join("enabled_plugins"), "[].\n")?;
        let port = mapper_port.to_string();
        let mapper = Process::start(Path::new("epmd"), folder.path().join("epmd.log"), |command| {
            command.args(["-port", &port, "-address", "127.0.0.1"]);
        })?;
        let mut rabbit = Self { server: None, _mapper: mapper, folder, mapper_port, dist_port, address, tls: None };
        rabbit.resume()?;
        Ok(rabbit)
    }

    /// For `[cdr.fanout]`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }

    /// The same by another way.
    pub fn url_by(&self, link: &Link) -> String {
        format!("amqp://guest:guest@{}/%2f", link.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same by TLS.
    ///
    /// # Errors
    /// It was started without.
    pub fn tls_url(&self) -> Result<String> {
        let port = self.tls.context("no TLS")?.port();
        Ok(format!("amqps://guest:guest@localhost:{port}/%2f"))
    }

    /// Declares a queue and has it take what is published to a topic exchange, which is declared too.
    pub fn listen(&self, queue: &str, exchange: &str) -> Result<()> {
        let url = self.url();
        on_runtime(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let none = FieldTable::default;
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, none()).await?;
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(queue.into(), durable, none()).await?;
            Ok(channel
                .queue_bind(queue.into(), exchange.into(), "#".into(), QueueBindOptions::default(), none())
                .await?)
        })
    }

    /// Stops the broker as an administrator would; what is durable stays.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        self.signal(Signal::SIGTERM)?;
        server.wait(STOP)?;
        Ok(())
    }

    /// Kills the broker, as a crash would.
    pub fn crash(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        self.signal(Signal::SIGKILL)?;
        server.wait(STOP)?;
        Ok(())
    }

    /// Stops the broker where it stands: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`Rabbit::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Deletes a queue with all that is in it: so many messages.
    pub fn delete(&self, queue: &str) -> Result<u32> {
        let url = self.url();
        on_runtime(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            Ok(channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?)
        })
    }

    /// Starts the broker again in the same folder.
    pub fn resume(&mut self) -> Result<()> {
        let folder = self.folder.path().to_owned();
        let mut server = Process::start(Path::new(SERVER), folder.join("rabbit.log"), |command| {
            self.named(command)
                .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
                .env("RABBITMQ_LOG_BASE", folder.join("log"))
                .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
                .env("RABBITMQ_PID_FILE", self.pid_file())
                .env("RABBITMQ_DIST_PORT", self.dist_port.to_string());
        })?;
        let url = self.url();
        server.wait_until(START, |_| {
            on_runtime(async { Ok(Connection::connect(&url, ConnectionProperties::default()).await?) }).is_ok()
        })?;
        self.server = Some(server);
        Ok(())
    }

    /// How many messages wait in a queue.
    pub fn depth(&self, queue: &str) -> Result<u32> {
        let url = self.url();
        on_runtime(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            Ok(channel.queue_declare(queue.into(), options, FieldTable::default()).await?.message_count())
        })
    }

    /// Waits until a queue holds so many messages.
    pub fn wait_for_depth(&self, queue: &str, count: u32) -> Result<()> {
        until(&format!("{count} messages in queue {queue}"), Duration::from_secs(30), || {
            Ok(self.depth(queue).is_ok_and(|depth| depth >= count).then_some(()))
        })
        .with_context(|| format!("it holds {:?}", self.depth(queue)))
    }

    /// Puts messages of this content type into a queue, as persistent ones.
    pub fn give(&self, queue: &str, content_type: &str, messages: &[Vec<u8>]) -> Result<()> {
        let url = self.url();
        on_runtime(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let mut confirms = Vec::new();
            for message in messages {
                let persistent = BasicProperties::default().with_delivery_mode(2);
                let properties = persistent.with_content_type(content_type.into());
                let options = BasicPublishOptions::default();
                confirms.push(channel.basic_publish("".into(), queue.into(), options, message, properties).await?);
            }
            for confirm in confirms {
                confirm.await?;
            }
            Ok(())
        })
    }

    /// Takes so many messages from a queue: the records in them.
    ///
    /// # Errors
    /// When one of them is not a call record, or fewer come.
    pub fn take(&self, queue: &str, count: usize) -> Result<Vec<CallRecord>> {
        self.deliveries(queue, count)?.iter().try_fold(Vec::new(), |mut records, message| {
            records.extend(records_of(message)?);
            Ok(records)
        })
    }

    /// Takes so many messages from a queue: routing key and body.
    ///
    /// # Errors
    /// When fewer come.
    pub fn take_messages(&self, queue: &str, count: usize) -> Result<Vec<(String, Vec<u8>)>> {
        let messages = self.deliveries(queue, count)?;
        Ok(messages.into_iter().map(|message| (message.routing_key.to_string(), message.data)).collect())
    }

    /// Takes so many messages from a queue, with all that came with them.
    ///
    /// # Errors
    /// When fewer come.
    pub fn deliveries(&self, queue: &str, count: usize) -> Result<Vec<Delivery>> {
        let url = self.url();
        on_runtime(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let consume = channel.basic_consume(
                queue.into(),
                "test".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            let mut messages = consume.await?;
            let mut taken = Vec::new();
            while taken.len() < count {
                let next = tokio::time::timeout(Duration::from_secs(10), messages.next()).await;
                let message = next.with_context(|| format!("{queue} ran dry after {} of {count}", taken.len()))?;
                let message = message.context("the broker closed the channel")??;
                message.ack(BasicAckOptions::default()).await?;
                taken.push(message);
            }
            Ok(taken)
        })
    }

    /// Runs the broker's own administration program: what it wrote.
    pub fn control(&self, words: &[&str]) -> Result<String> {
        let output =
            self.named(&mut Command::new(CONTROL)).arg("--quiet").args(words).output().context("rabbitmqctl")?;
        ensure!(output.status.success(), "rabbitmqctl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What the programs of this broker find it and each other by.
    fn named<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", format!("trunkline{}@localhost", self.address.port()))
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("rabbit.pid")
    }

    /// To the Erlang machine itself: the script in front of it does not pass every signal on.
    fn signal(&self, signal: Signal) -> Result<()> {
        let id: i32 = fs::read_to_string(self.pid_file())?.trim().parse().context("the broker's pid file")?;
        Ok(kill(Pid::from_raw(id), signal)?)
    }
}

/// The records of one message, of whichever form it is.
///
/// # Errors
/// When one of them is no call record.
pub fn records_of(message: &Delivery) -> Result<Vec<CallRecord>> {
    let records = message::records(content_type(message), &message.data);
    records.map(|json| serde_json::from_slice(json).context("no call record")).collect()
}

fn on_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
