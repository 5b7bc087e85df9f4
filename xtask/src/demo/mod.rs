//! `cargo xtask demo`: real documents, from HTTP insert to graph, on this machine alone.
//!
//! Builds the plugin and the host, starts a graph server and the host on loopback, loads documents, waits until the graph
//! has them, reads all of it back and compares it with the store, and shows what is in it.

mod corpus;
mod load;
mod place;
mod report;

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::oracle::{self, Expectation};
use vectorizer_tests::process::{Server, free_port};
use vectorizer_tests::scrape::Scrape;
use vectorizer_tests::upstream::Upstream;
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

/// Edges a document in the demo, and their least score. The built-in vectoriser compares words, so related texts score lower
/// than under a trained model.
const EXPECT: Expectation = Expectation {
    top_k: 5,
    threshold: 0.35,
    rounded: false,
};

/// How long the graph may take to have everything.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What to load, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A folder of text and Markdown to load, instead of the crates in the local cargo registry.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A Nexus of yours, instead of starting nexus-dev. Its database should be empty.
    #[arg(long)]
    nexus: Option<String>,
    /// A Vectorizer of yours, which lets everyone in, to stand in front of, instead of the host's own store. It has to be empty.
    #[arg(long)]
    vectorizer: Option<String>,
    /// Most files to load.
    #[arg(long, default_value_t = 600)]
    files: usize,
    /// End after the summary instead of serving on.
    #[arg(long)]
    once: bool,
    /// Write the figures to this file, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Runs the demo.
pub(crate) fn run(options: &Options) -> Result<(), TestError> {
    let files = match &options.dir {
        Some(folder) => corpus::folder(folder, options.files)?,
        None => corpus::registry(options.files)?,
    };
    eprintln!("Building the plugin, the host and nexus-dev (release) ...");
    let artifacts = Artifacts::build(Profile::Release)?;
    let place = place::fresh()?;

    let (nexus_server, nexus_url) = match &options.nexus {
        Some(url) => (None, url.clone()),
        None => {
            let server = Nexus::start(Kind::Dev, &artifacts, &place, None)?;
            let url = server.url.clone();
            (Some(server), url)
        }
    };
    let section = json!({
        "nexus_url": nexus_url,
        "api_key": "${NEXUS_API_KEY:-}",
        "similarity": {"top_k": EXPECT.top_k, "threshold": {"cosine": EXPECT.threshold}},
    });
    let upstream = options.vectorizer.as_deref().map(behind).transpose()?;
    let expect = Expectation {
        rounded: upstream.is_some(),
        ..EXPECT
    };
    // Exact search up to this size: the graph is compared with the exact neighbours below.
    let server = match upstream {
        Some(_) => json!({}),
        None => json!({"graph_from": 50_000}),
    };
    let folder = HostFolder::in_front_of(upstream, &place, &artifacts, free_port()?, &server, &section)?;
    let host_server = folder.start()?;
    let (host, nexus) = (Vectorizer::new(&host_server.url), Nexus::new(&nexus_url));

    eprintln!("Waiting until the plugin knows what the graph server can do ...");
    host.settle(PATIENCE)?;
    load::load(&host, &files)?;
    load::watch(&host, PATIENCE)?;

    eprintln!("Reading the whole graph back and comparing it with the store ...");
    let findings = oracle::compare(&host, &nexus, expect)?;
    let scrape = Scrape::parse(&host.metrics()?);
    report::print(&host, &nexus, &findings, &scrape)?;
    if let Some(file) = &options.report {
        report::write(file, &findings, &scrape)?;
    }
    println!(
        "\nVector database  {}\nGraph            {nexus_url}",
        host_server.url
    );
    println!("Sync status      {}/api/v1/sync/nexus/status", host_server.url);
    println!("Status page      {}/admin/nexus/", host_server.url);
    println!("Metrics          {}/prometheus/metrics", host_server.url);
    if !options.once {
        wait_for_the_end()?;
    }
    end(host_server, nexus_server)?;
    match findings.mismatches.len() {
        0 => Ok(()),
        count => Err(TestError::Process(format!(
            "{count} differences between graph and store"
        ))),
    }
}

/// The Vectorizer at this address, if it can be used.
fn behind(url: &str) -> Result<Upstream, TestError> {
    let collections = Vectorizer::new(url).collections()?.len();
    match collections {
        0 => Ok(Upstream::at(url)),
        _ => Err(TestError::Process(format!(
            "the Vectorizer at {url} holds {collections} collections; all that there is is compared with the graph, so it has to be empty"
        ))),
    }
}

fn wait_for_the_end() -> Result<(), TestError> {
    println!("\nServing until Ctrl-C.");
    let (send, receive) = mpsc::channel();
    ctrlc::set_handler(move || {
        let _ = send.send(());
    })
    .map_err(|error| TestError::Process(format!("no signal handler: {error}")))?;
    let _ = receive.recv();
    Ok(())
}

fn end(host: Server, nexus: Option<Server>) -> Result<(), TestError> {
    host.stop()?;
    if let Some(nexus) = nexus {
        nexus.stop()?;
    }
    Ok(())
}
