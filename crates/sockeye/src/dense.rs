//! A map whose keys are small numbers that are used again: slots, descriptors.

/// Values by number, in a place each: no hashing, and memory for the highest number there was.
pub struct Dense<V> {
    places: Vec<Option<V>>,
    len: usize,
}

impl<V> Dense<V> {
    pub const fn new() -> Self {
        Self { places: Vec::new(), len: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, at: usize) -> Option<&V> {
        self.places.get(at)?.as_ref()
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut V> {
        self.places.get_mut(at)?.as_mut()
    }

    pub fn insert(&mut self, at: usize, value: V) {
        while self.places.len() <= at {
            self.places.push(None);
        }
        if self.places[at].replace(value).is_none() {
            self.len += 1;
        }
    }

    pub fn remove(&mut self, at: usize) -> Option<V> {
        let value = self.places.get_mut(at)?.take()?;
        self.len -= 1;
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &V)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(at, place)| place.as_ref().map(|value| (at, value)))
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.places.iter().flatten()
    }
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_where_they_were_put() {
        let mut map = Dense::new();
        assert!(map.is_empty() && map.get(3).is_none() && map.remove(3).is_none());
        map.insert(3, "three");
        map.insert(0, "none");
        map.insert(3, "drei");
        assert_eq!(map.get(3), Some(&"drei"));
        assert_eq!(map.values().copied().collect::<Vec<_>>(), ["none", "drei"]);
        assert_eq!(map.iter().map(|(at, _)| at).collect::<Vec<_>>(), [0, 3]);
        *map.get_mut(0).unwrap() = "null";
        assert_eq!((map.remove(0), map.remove(0)), (Some("null"), None));
        assert!(!map.is_empty() && map.get(1).is_none());
        assert_eq!(map.remove(3), Some("drei"));
        assert!(map.is_empty());
    }
}
