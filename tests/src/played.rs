//! Boards that are played: their answers are what a test wants them to be.

use spikelet_export::link::{self, Hello, Receiver, Reply, ReplyBody, Request};
use std::io::{Read, Write};

/// Answers each whole request on a stream with the bytes that `answer` gives, until the stream ends; gives the sequence
/// numbers and the requests, in words.
pub fn play<S: Read + Write>(
    mut stream: S,
    mut answer: impl FnMut(&Request<'_>) -> Vec<u8>,
) -> Vec<(u16, String)> {
    let mut buffer = [0; link::REQUEST];
    let mut receiver = Receiver::new(&mut buffer);
    let (mut byte, mut heard) = ([0], Vec::new());
    while let Ok(1) = stream.read(&mut byte) {
        if let Some(Ok(frame)) = receiver.push(byte[0]) {
            let bytes = match link::decode::<Request<'_>>(frame) {
                Ok(request) => {
                    heard.push((request.sequence, format!("{:?}", request.body)));
                    answer(&request)
                }
                Err(error) => reply(None, ReplyBody::Error(error.into())),
            };
            if stream.write_all(&bytes).is_err() {
                break;
            }
        }
    }
    heard
}

/// The frame of a reply.
pub fn reply(sequence: Option<u16>, body: ReplyBody<'_>) -> Vec<u8> {
    let mut buffer = [0; link::REPLY + 1];
    link::encode(&Reply { sequence, body }, &mut buffer).unwrap().to_vec()
}

/// What a board of this version of the link says of itself.
pub fn hello(version: u16) -> ReplyBody<'static> {
    ReplyBody::Hello(Hello {
        version,
        model: 7,
        board: "played",
        firmware: "0",
        inputs: 16,
        classes: 10,
        layers: 1,
        steps: 20,
        neurons: 10,
        request: link::REQUEST as u16,
        ticks_per_second: 1,
    })
}
