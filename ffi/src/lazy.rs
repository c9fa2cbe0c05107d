//! A value that is made when it is needed first: one pointer until then, and afterwards.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::AcqRel, Ordering::Acquire};

/// As a `OnceLock<Box<T>>`, in half of the bytes. Two threads may make the value at once; then one of the two values
/// is dropped, which suits what is cheap to make.
pub(crate) struct Lazy<T> {
    value: AtomicPtr<T>,
    owned: PhantomData<T>,
}

// SAFETY: it is a box of a value that threads share, or nothing, and who holds it alone may take or drop it in any
// thread.
unsafe impl<T: Send + Sync> Sync for Lazy<T> {}

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self { value: AtomicPtr::new(ptr::null_mut()), owned: PhantomData }
    }
}

impl<T: Default> Lazy<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: NULL, or of a box, which lives as long as `self`; only shared references to it are given.
        unsafe { self.value.load(Acquire).as_ref() }
    }

    pub(crate) fn get_or_make(&self) -> &T {
        self.get().unwrap_or_else(|| self.make())
    }

    #[cold]
    fn make(&self) -> &T {
        let made = Box::into_raw(Box::<T>::default());
        let value = match self.value.compare_exchange(ptr::null_mut(), made, AcqRel, Acquire) {
            Ok(_) => made,
            Err(other) => {
                // SAFETY: it came from the box above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                other
            }
        };
        // SAFETY: of a box that lives as long as `self`.
        unsafe { &*value }
    }
}

impl<T> Drop for Lazy<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: it came from a box, and is dropped once.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Default)]
    struct Value(Arc<()>);

    #[test]
    fn threads_that_make_it_at_once_get_the_same_value_and_it_is_dropped_once() {
        let lazy = Lazy::<Value>::default();
        assert!(lazy.get().is_none());
        let values: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| ptr::from_ref(lazy.get_or_make()).addr())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(values.windows(2).all(|pair| pair[0] == pair[1]));
        let inside = Arc::downgrade(&lazy.get().unwrap().0);
        assert_eq!(inside.strong_count(), 1);
        drop(lazy);
        assert_eq!(inside.strong_count(), 0);
        drop(Lazy::<Value>::default());
    }
}
