//! What must hold after a round: store = acknowledged changes, graph = store with all
//! relations and no orphan, nothing pending, no dead letters, no panics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::model::{Content, Slot, States};
use super::rig::Rig;
use super::writer::Writer;
use super::{EXPECT, Metric, PATIENCE};
use crate::TestError;
use crate::upstream;
use crate::vectorizer::{Document, Vectorizer};
use crate::{mentions, oracle, structure};

/// What was found, each in a sentence, and how many documents were compared.
pub(super) fn judge(rig: &mut Rig, writers: &mut [Writer]) -> Result<(Vec<String>, usize), TestError> {
    let client = rig.client();
    let mut findings = std::mem::take(&mut rig.findings);
    for writer in writers.iter_mut() {
        findings.append(&mut writer.findings);
    }
    let settled = client.settle(PATIENCE);
    let status = client.status()?;
    if let Err(error) = settled {
        findings.push(format!("{error}: {status}"));
    }
    findings.extend(compare_store(&client, writers)?);
    let graph = oracle::compare(&client, &rig.graph(), EXPECT)?;
    findings.extend(graph.mismatches);
    findings.extend(structure::compare(&client, &rig.graph())?.1);
    findings.extend(mentions::compare(&client, &rig.graph())?.1);
    for name in ["queue_depth", "waiting_for_retry", "dead_letters"] {
        if status[name] != 0 {
            findings.push(format!("{name} is {}", status[name]));
        }
    }
    findings.extend(panics(&client, &rig.host_log())?);
    Ok((findings, graph.documents))
}

fn panics(client: &Vectorizer, log: &str) -> Result<Vec<String>, TestError> {
    let metrics = client.metrics()?;
    let counted = metrics
        .lines()
        .filter(|line| line.starts_with("vectorizer_plugin_panics_total") && !line.ends_with(" 0"));
    // sled meets a damaged file with a panic, which the journal takes as what it is, and puts the file aside.
    let is_ours = |line: &&str| line.contains("panicked at") && !line.contains("/sled-");
    let logged = log.lines().filter(is_ours);
    Ok(counted.chain(logged).map(str::to_owned).collect())
}

/// The store against the writers' models, which settle on what is there.
fn compare_store(client: &Vectorizer, writers: &mut [Writer]) -> Result<Vec<String>, TestError> {
    let mut findings = Vec::new();
    let mut there: BTreeMap<String, (String, HashMap<String, Document>)> = BTreeMap::new();
    for (name, metric) in client.collections()? {
        let documents = client.documents(&name)?;
        let documents = documents
            .into_iter()
            .map(|document| (document.id.clone(), document))
            .collect();
        there.insert(name, (metric, documents));
    }
    let mut claimed: BTreeSet<String> = BTreeSet::new();
    for writer in writers {
        for slot in writer.shared.iter_mut().chain(&mut writer.own) {
            let present: Vec<&String> = slot
                .names
                .iter()
                .flatten()
                .filter(|name| there.contains_key(*name))
                .collect();
            let name = match present.as_slice() {
                [name] => (*name).clone(),
                [] if slot.names.contains(&None) => {
                    slot.names = vec![None];
                    continue;
                }
                _ => {
                    findings.push(format!(
                        "of the collections {:?} there are {present:?}",
                        slot.names
                    ));
                    continue;
                }
            };
            if let Some((_, documents)) = there.get_mut(&name) {
                compare_slot(&name, slot, documents, &mut findings);
            }
            claimed.insert(name.clone());
            slot.names = vec![Some(name)];
        }
        writer.own.retain(|slot| slot.name().is_some());
    }
    for (name, (_, rest)) in &there {
        if !claimed.contains(name) {
            findings.push(format!("{name}: nobody made this collection"));
        }
        findings.extend(
            rest.keys()
                .map(|id| format!("{name}/{id}: nobody wrote this document, or it was deleted")),
        );
    }
    Ok(findings)
}

/// Takes the slot's documents out of those that are there.
fn compare_slot(
    name: &str,
    slot: &mut Slot,
    there: &mut HashMap<String, Document>,
    findings: &mut Vec<String>,
) {
    for (id, states) in &mut slot.documents {
        let found = there.remove(id);
        let is = |state: &Option<Content>| match (&found, state) {
            (None, None) => true,
            (Some(document), Some(content)) => says(document, content, slot.metric),
            _ => false,
        };
        match states.0.iter().find(|state| is(state)).cloned() {
            Some(state) => *states = States(vec![state]),
            None => findings.push(format!(
                "the store's {name}/{id} is {:?}, acknowledged was {:?}",
                found.map(|document| document.payload),
                states.0
            )),
        }
    }
    slot.documents.retain(|_, states| states.0 != [None]);
}

/// Whether a document has the content. Under cosine the store keeps directions.
fn says(document: &Document, content: &Content, metric: Metric) -> bool {
    let length = |vector: &[f32]| match metric {
        Metric::Cosine => vector.iter().map(|a| a * a).sum::<f32>().sqrt(),
        Metric::Euclidean => 1.0,
    };
    let wanted = content.vector();
    let (ours, theirs) = (length(&wanted), length(&document.vector));
    let tolerance = if upstream::is_wanted() { 2e-2 } else { 1e-3 };
    document.payload == content.payload()
        && document.vector.len() == wanted.len()
        && wanted
            .iter()
            .zip(&document.vector)
            .all(|(a, b)| (a / ours - b / theirs).abs() < tolerance)
}
