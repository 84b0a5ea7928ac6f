//! A contact sheet: a few images of each class in one PNG.

use super::Samples;
use std::io;

/// White pixels between images.
const GAP: usize = 2;

/// A grey PNG with one row of `columns` samples per class, dark on white; recordings as their events per pixel.
///
/// # Errors
/// If there are no samples.
pub fn contact_sheet(samples: &Samples, classes: usize, columns: usize) -> io::Result<Vec<u8>> {
    let (cell_width, cell_height) = (samples.width() + GAP, samples.height() + GAP);
    let (width, height) = (columns * cell_width + GAP, classes * cell_height + GAP);
    let mut sheet = vec![255u8; width * height];
    for class in 0..classes {
        let of_class = (0..samples.len()).filter(|&index| usize::from(samples.labels()[index]) == class);
        for (column, index) in of_class.take(columns).enumerate() {
            for (y, row) in samples.picture(index).chunks(samples.width()).enumerate() {
                let start = (class * cell_height + GAP + y) * width + column * cell_width + GAP;
                sheet[start..].iter_mut().zip(row).for_each(|(pixel, &ink)| *pixel = 255 - ink);
            }
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(&sheet).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images;

    #[test]
    fn images_stand_where_they_should() {
        let images = Images { width: 2, height: 1, pixels: vec![255, 0, 0, 255], labels: vec![1, 0] };
        let file = contact_sheet(&images.into(), 2, 1).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (6, 8));
        assert_eq!(pixels[2 * 6..3 * 6], [255, 255, 255, 0, 255, 255]);
        assert_eq!(pixels[5 * 6..6 * 6], [255, 255, 0, 255, 255, 255]);
    }
}
