//! Extendible hashing: a directory of pages.

use std::ops::Range;
use std::sync::Arc;

use super::Holder;
use super::group::{Key, Page, add, count, empty_page, entries, find, page_of, probe, room, upper};
use super::prefetch::prefetch;

/// Groups of a page that becomes two instead of doubling: 2 to the power of this.
const PAGE_BITS: u32 = 6;
/// The directory has at most one entry for this many addresses, however badly their hashes are spread.
const PER_ENTRY: usize = 32;
/// With fewer addresses for each entry of the directory than this, the table is made anew.
const SPARSE: usize = PER_ENTRY / 4;

/// The table for one version of IP.
#[derive(Clone, Debug)]
pub(super) struct Table<K, const N: usize> {
    /// 2^`depth` entries; a page that did not split as often as others stands in several, in a row.
    pub(super) directory: Arc<[Arc<Page<K, N>>]>,
    depth: u32,
    pub(super) len: usize,
}

impl<K: Key, const N: usize> Default for Table<K, N> {
    fn default() -> Self {
        Self { directory: [empty_page(1)].into(), depth: 0, len: 0 }
    }
}

impl<K: Key, const N: usize> Table<K, N> {
    /// The entry of the directory: by other bits than those that tell the group.
    fn entry(&self, hash: u64) -> usize {
        upper(hash << PAGE_BITS, self.depth)
    }

    #[inline]
    pub(super) fn get(&self, key: K) -> Option<Holder> {
        let hash = key.hash();
        let page = self.directory.get(self.entry(hash))?;
        let (group, place) = find(page, key, hash)?;
        page.get(group)?.holder(place)
    }

    /// Has the processor fetch the group in which an address should stand.
    #[inline]
    pub(super) fn prefetch(&self, key: K) {
        let hash = key.hash();
        let page = self.directory.get(self.entry(hash));
        if let Some(group) = page.and_then(|page| page.get(probe(page, hash).next()?)) {
            prefetch(group);
        }
    }

    pub(super) fn insert(&mut self, key: K, holder: Holder) -> Option<Holder> {
        let hash = key.hash();
        loop {
            let entry = self.entry(hash);
            let page = self.directory.get(entry)?;
            if let Some((group, place)) = find(page, key, hash) {
                let before = page.get(group)?.holder(place);
                if before != Some(holder) {
                    self.change(entry, |page| {
                        if let Some(group) = page.get_mut(group) {
                            group.put(place, key, holder);
                        }
                    });
                }
                return before;
            }
            if count(page) < room::<N>(page.len()) {
                self.change(entry, |page| add(page, key, holder));
                self.len += 1;
                return None;
            }
            self.enlarge(entry);
        }
    }

    pub(super) fn remove(&mut self, key: K) -> Option<Holder> {
        let hash = key.hash();
        let entry = self.entry(hash);
        let page = self.directory.get(entry)?;
        let (group, place) = find(page, key, hash)?;
        let holder = page.get(group)?.holder(place);
        // Made anew, for what stands behind full groups may move forward.
        let rest: Vec<_> = entries(page).filter(|(there, _)| *there != key).collect();
        let run = self.run(entry);
        self.replace(run, &page_of(&rest));
        self.len -= 1;
        if self.depth > 0 && self.len < self.directory.len() * SPARSE {
            *self = self.anew();
        }
        holder
    }

    /// The entries of the directory that lead to the same page as this one.
    fn run(&self, entry: usize) -> Range<usize> {
        let Some(page) = self.directory.get(entry) else { return entry..entry };
        let same = |other: &&Arc<Page<K, N>>| Arc::ptr_eq(page, other);
        let (before, behind) = self.directory.split_at(entry);
        let first = entry - before.iter().rev().take_while(same).count();
        first..entry + behind.iter().take_while(same).count()
    }

    fn replace(&mut self, run: Range<usize>, page: &Arc<Page<K, N>>) {
        let directory = Arc::make_mut(&mut self.directory);
        directory.get_mut(run).into_iter().flatten().for_each(|there| *there = page.clone());
    }

    /// Changes a page: in place, if nobody shares it, otherwise a copy of it.
    fn change(&mut self, entry: usize, change: impl FnOnce(&mut Page<K, N>)) {
        let run = self.run(entry);
        let directory = Arc::make_mut(&mut self.directory);
        let Some(entries) = directory.get_mut(run) else { return };
        let Some((first, others)) = entries.split_first_mut() else { return };
        // The other entries share it, too: they let go of it for as long as it changes.
        others.iter_mut().for_each(|other| *other = Arc::default());
        change(Arc::make_mut(first));
        others.iter_mut().for_each(|other| *other = first.clone());
    }

    /// Gives a full page more groups, or makes it two pages.
    fn enlarge(&mut self, entry: usize) {
        let run = self.run(entry);
        let Some(page) = self.directory.get(entry).cloned() else { return };
        let splits = page.len() >= 1 << PAGE_BITS;
        if splits && run.len() == 1 && self.directory.len() * 2 * PER_ENTRY <= self.len {
            self.directory = self.directory.iter().flat_map(|page| [page.clone(), page.clone()]).collect();
            self.depth += 1;
            return;
        }
        if splits && run.len() > 1 {
            let middle = run.start + run.len() / 2;
            let (left, right): (Vec<_>, Vec<_>) = entries(&page).partition(|(key, _)| self.entry(key.hash()) < middle);
            self.replace(run.start..middle, &page_of(&left));
            self.replace(middle..run.end, &page_of(&right));
            return;
        }
        let mut larger = empty_page(page.len() * 2);
        let groups = Arc::make_mut(&mut larger);
        entries(&page).for_each(|(key, holder)| add(groups, key, holder));
        self.replace(run, &larger);
    }

    /// The same addresses in a table of their size.
    fn anew(&self) -> Self {
        let mut table = Self::default();
        for (key, holder) in self.pages().flat_map(|page| entries(page)) {
            table.insert(key, holder);
        }
        table
    }

    /// True if both have the same addresses with the same holders.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let is_there = |(key, holder)| other.get(key) == Some(holder);
        Arc::ptr_eq(&self.directory, &other.directory)
            || self.len == other.len && self.pages().flat_map(|page| entries(page)).all(is_there)
    }

    /// Each page once.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Arc<Page<K, N>>> {
        let followers = self.directory.iter().skip(1).map(Some).chain([None]);
        let last_of_run = self.directory.iter().zip(followers);
        last_of_run.filter(|(page, next)| next.is_none_or(|next| !Arc::ptr_eq(page, next))).map(|(page, _)| page)
    }
}
