//! Grey images with labels.

/// Grey images of one size, with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Image after image, row after row; 0 is background.
    pub pixels: Vec<u8>,
    /// One class per image.
    pub labels: Vec<u8>,
}

impl Images {
    /// Number of images.
    pub const fn len(&self) -> usize {
        self.labels.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of one image.
    pub const fn inputs(&self) -> usize {
        self.width * self.height
    }

    /// The pixels of one image.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.inputs()..][..self.inputs()]
    }

    /// The first `count` images, or all of them if there are fewer.
    pub fn take(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            pixels: self.pixels[..count * self.inputs()].to_vec(),
            labels: self.labels[..count].to_vec(),
            ..*self
        }
    }
}
