//! The property file of Nexus 2.5 and the way it loses records (section 2 of the dialect page).
//!
//! The file is a row of records, back to back from offset 1. A record is a header of 13 bytes (element id: 8, kind: 1,
//! length: 4, little endian) and the compact JSON of *all* properties of one element. It has no free space and no
//! padding:
//!
//! * a record that is not longer than the length in its header is written in place, and the length is *lowered*;
//! * a longer one goes to the end; the old one stays as it was.
//!
//! At a start the file is scanned from its beginning by the lengths in the headers. Behind a record that was shortened
//! in place the scan reads the rest of the old text as a header. It gives up there, or believes a length that leads it
//! far away; in both cases everything behind is missing from the index.
//!
//! Relationships are found by that index alone, so they have lost their properties at once. Nodes also remember the
//! offset of their record, and read rightly until a new record is written over the old one, because the end of the
//! file is taken to be where the scan gave up. Whether the scan gives up, and where, depends on the very bytes, so
//! this model keeps the bytes.
//!
//! Invariants:
//! * [`Records::read`] is what the modelled server would read at this moment, not what was once stored;
//! * [`Records::store`] reports every node whose record it wrote over;
//! * memory and disk hold the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value as Json;

use super::medium::Medium;
use crate::error::NexusDevError;
use crate::graph::elements::{Element, Properties};

/// The first record; an offset of 0 means "no record".
const FIRST: usize = 1;
const HEADER: usize = 13;
/// Size of a new file.
const INITIAL_SIZE: usize = 1024 * 1024;
/// The file grows by half, and to this size at least.
const LEAST_GROWN_SIZE: usize = 2 * 1024 * 1024;

/// The property file and the offsets that nodes remember.
#[derive(Debug)]
pub(crate) struct Records {
    file: Medium,
    /// For each node id eight bytes: the offset of its record.
    pointers: Medium,
    /// Size of the modelled file, beyond what was written: a scan runs over the zeros behind.
    size: usize,
    end: usize,
    index: HashMap<Element, usize>,
    /// Nodes whose record reaches behind the end, by its offset.
    exposed: BTreeMap<usize, u64>,
}

impl Records {
    /// Opens the records in a folder the way Nexus starts: by a scan. Without a folder they are empty.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the files cannot be used.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, NexusDevError> {
        let path = |name: &str| folder.map(|folder| folder.join(name));
        let mut records = Self {
            file: Medium::open(path("quirks-properties.bin").as_deref())?,
            pointers: Medium::open(path("quirks-pointers.bin").as_deref())?,
            size: INITIAL_SIZE,
            end: FIRST,
            index: HashMap::new(),
            exposed: BTreeMap::new(),
        };
        while records.size < records.file.written() {
            records.size = grown(records.size, records.size + 1);
        }
        records.scan();
        records.repair_pointers()?;
        records.expose();
        Ok(records)
    }

    /// The properties that the modelled server reads for an element.
    pub(crate) fn read(&self, element: Element) -> Option<Properties> {
        if let Element::Node(id) = element
            && let Some(offset) = self.pointer(id)
            && self.element_at(offset) == Some(element)
            && let Some(properties) = self.properties_at(offset)
        {
            return Some(properties);
        }
        self.properties_at(*self.index.get(&element)?)
    }

    /// Stores all properties of an element. Returns the nodes whose record was written over.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the files refuse.
    pub(crate) fn store(
        &mut self,
        element: Element,
        properties: &Properties,
    ) -> Result<Vec<u64>, NexusDevError> {
        if properties.is_empty() {
            self.forget(element)?;
            return Ok(Vec::new());
        }
        let text = Json::Object(properties.clone()).to_string();
        if let Some(&offset) = self.index.get(&element)
            && text.len() <= self.length_at(offset)
        {
            self.file.write(offset + 9, &length_bytes(text.len()))?;
            self.file.write(offset + HEADER, text.as_bytes())?;
            self.point(element, offset)?;
            return Ok(Vec::new());
        }
        let offset = self.end;
        let end = offset + HEADER + text.len();
        self.size = grown(self.size, end);
        let mut record = Vec::with_capacity(HEADER + text.len());
        record.extend(id_of(element).to_le_bytes());
        record.push(kind_of(element));
        record.extend(length_bytes(text.len()));
        record.extend(text.as_bytes());
        self.file.write(offset, &record)?;
        self.index.insert(element, offset);
        self.end = end;
        self.point(element, offset)?;
        let behind = self.exposed.split_off(&end);
        let hit = std::mem::replace(&mut self.exposed, behind);
        // A node that was stored anew meanwhile no longer depends on its old record.
        Ok(hit
            .into_iter()
            .filter(|(offset, node)| self.pointer(*node) == Some(*offset))
            .map(|(_, node)| node)
            .collect())
    }

    /// Forgets an element that was deleted or has no properties any more. Its record stays in the file.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the files refuse.
    pub(crate) fn forget(&mut self, element: Element) -> Result<(), NexusDevError> {
        self.index.remove(&element);
        self.point(element, 0)
    }

    /// Reads the file from the start, by the lengths in the headers.
    fn scan(&mut self) {
        let mut offset = FIRST;
        while offset + HEADER <= self.size {
            let header = self.file.array::<HEADER>(offset);
            let next = offset + HEADER + self.length_at(offset);
            if header == [0; HEADER] || next > self.size {
                break;
            }
            let Some(element) = self.element_at(offset) else {
                break;
            };
            self.index.insert(element, offset);
            offset = next;
        }
        self.end = offset;
    }

    /// A node whose record is not its own any more goes back to what the scan found of it, if anything.
    fn repair_pointers(&mut self) -> Result<(), NexusDevError> {
        for node in self.nodes() {
            let element = Element::Node(node);
            let wrong = self
                .pointer(node)
                .is_some_and(|offset| self.element_at(offset) != Some(element));
            if wrong {
                let known = self.index.get(&element).copied();
                self.point(element, known.unwrap_or(0))?;
            }
        }
        Ok(())
    }

    /// The ids of all nodes that ever had a record.
    fn nodes(&self) -> std::ops::Range<u64> {
        0..u64::try_from(self.pointers.written() / 8).unwrap_or(0)
    }

    /// Finds the nodes that still remember a record that reaches behind the end.
    fn expose(&mut self) {
        for node in self.nodes() {
            if let Some(offset) = self
                .pointer(node)
                .filter(|offset| offset + HEADER + self.length_at(*offset) > self.end)
            {
                self.exposed.insert(offset, node);
            }
        }
    }

    fn pointer(&self, node: u64) -> Option<usize> {
        let at = usize::try_from(node).ok()?.checked_mul(8)?;
        let offset = usize::try_from(u64::from_le_bytes(self.pointers.array(at))).ok()?;
        (offset != 0).then_some(offset)
    }

    fn point(&mut self, element: Element, offset: usize) -> Result<(), NexusDevError> {
        let Element::Node(node) = element else {
            return Ok(());
        };
        if self.pointer(node).unwrap_or(0) == offset {
            return Ok(());
        }
        let offset = u64::try_from(offset).unwrap_or(0);
        let at = usize::try_from(node).unwrap_or(usize::MAX).saturating_mul(8);
        self.pointers.write(at, &offset.to_le_bytes())
    }

    fn element_at(&self, offset: usize) -> Option<Element> {
        let header = self.file.array::<HEADER>(offset);
        let id = u64::from_le_bytes(self.file.array(offset));
        match header[8] {
            0 => Some(Element::Node(id)),
            1 => Some(Element::Relationship(id)),
            _ => None,
        }
    }

    fn length_at(&self, offset: usize) -> usize {
        let length = u32::from_le_bytes(self.file.array(offset + 9));
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    fn properties_at(&self, offset: usize) -> Option<Properties> {
        let text = self.file.slice(offset + HEADER, self.length_at(offset));
        serde_json::from_slice(text).ok()
    }
}

fn id_of(element: Element) -> u64 {
    match element {
        Element::Node(id) | Element::Relationship(id) => id,
    }
}

fn kind_of(element: Element) -> u8 {
    match element {
        Element::Node(_) => 0,
        Element::Relationship(_) => 1,
    }
}

fn length_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn grown(size: usize, required: usize) -> usize {
    match required > size {
        true => (required + required / 2).max(LEAST_GROWN_SIZE),
        false => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn properties(json: Json) -> Properties {
        json.as_object().unwrap().clone()
    }

    const A: Element = Element::Node(0);
    const B: Element = Element::Node(1);
    const R: Element = Element::Relationship(0);

    fn titled(title: &str) -> Properties {
        properties(json!({"key": "k", "title": title}))
    }

    /// A file with a, b and a relationship.
    fn filled(folder: &Path) -> Records {
        let mut records = Records::open(Some(folder)).unwrap();
        records.store(A, &titled("a title of some length")).unwrap();
        records.store(B, &titled("another")).unwrap();
        records.store(R, &properties(json!({"score": 0.5}))).unwrap();
        records
    }

    #[test]
    fn equal_and_growing_records_survive_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = filled(folder.path());
        records.store(A, &titled("a title of SOME length")).unwrap();
        records.store(B, &titled("another, longer")).unwrap();
        let records = Records::open(Some(folder.path())).unwrap();
        assert_eq!(records.read(A), Some(titled("a title of SOME length")));
        assert_eq!(records.read(B), Some(titled("another, longer")));
        assert_eq!(records.read(R), Some(properties(json!({"score": 0.5}))));
    }

    #[test]
    fn behind_a_shortened_record_relationships_are_lost_at_once_and_nodes_when_written_over() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path()).store(A, &titled("short")).unwrap();
        let mut records = Records::open(Some(folder.path())).unwrap();
        assert_eq!(records.read(A), Some(titled("short")));
        assert_eq!(records.read(B), Some(titled("another")));
        assert_eq!(records.read(R), None);
        let lost = records.store(Element::Node(2), &titled("new")).unwrap();
        assert_eq!(lost, [1], "the new record begins behind the shortened one");
        assert_eq!(records.read(B), None);
        let records = Records::open(Some(folder.path())).unwrap();
        assert_eq!((records.read(A), records.read(B)), (Some(titled("short")), None));
        assert_eq!(records.read(Element::Node(2)), Some(titled("new")));
    }

    #[test]
    fn a_slot_that_was_shortened_breaks_the_scan_even_after_its_element_moved() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = filled(folder.path());
        records.store(A, &titled("short")).unwrap();
        records
            .store(A, &titled("longer than short, but not than the first"))
            .unwrap();
        let records = Records::open(Some(folder.path())).unwrap();
        assert_eq!(records.read(R), None);
    }

    #[test]
    fn a_relationship_that_moved_behind_the_break_reads_as_its_older_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(Some(folder.path())).unwrap();
        records.store(R, &properties(json!({"score": 0.5}))).unwrap();
        records.store(A, &titled("a title of some length")).unwrap();
        records.store(R, &properties(json!({"score": 0.123456}))).unwrap();
        records.store(A, &titled("short")).unwrap();
        let records = Records::open(Some(folder.path())).unwrap();
        assert_eq!(records.read(R), Some(properties(json!({"score": 0.5}))));
    }

    #[test]
    fn a_record_shortened_by_two_bytes_can_send_the_scan_past_everything() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(Some(folder.path())).unwrap();
        let small = properties(json!({"key": "b"}));
        records.store(A, &titled("a title of some length")).unwrap();
        records.store(B, &small).unwrap();
        records.store(R, &properties(json!({"score": 0.5}))).unwrap();
        records.store(A, &titled("a title of some leng")).unwrap();
        let mut records = Records::open(Some(folder.path())).unwrap();
        assert_eq!(records.read(R), None);
        // The rest of the old text reads as a header with a length of several hundred thousand bytes.
        assert_eq!(
            records.store(Element::Node(2), &titled("new")).unwrap(),
            [0_u64; 0]
        );
        assert_eq!(records.read(B), Some(small));
    }

    #[test]
    fn an_element_without_properties_has_no_record() {
        let mut records = Records::open(None).unwrap();
        records.store(A, &titled("x")).unwrap();
        records.store(A, &Properties::new()).unwrap();
        assert_eq!(records.read(A), None);
    }
}
