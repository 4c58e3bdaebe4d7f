// The messages between capture and apply: one frame each. Grammar in link/wire/README.md.
//
//   frame  = magic:"LSTP" version:u16 kind:u16 session:u64 number:u64 length:u32 reserved:u32
//   checksum:u64 body
//
// 40 bytes of header, big-endian; `length` is that of the body; `checksum` is XXH3-64 of the frame
// with the checksum field itself zero. `number` counts the messages of one sender in one session
// from 0, so that loss and reorder show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep::wire {

inline constexpr std::uint16_t kVersion = 2;
inline constexpr std::size_t kHeaderBytes = 40;
inline constexpr std::size_t kBodyBytesMax = std::size_t{4}
                                             << 20;  // larger frames are refused unread
// libzmq takes a peer for dead from which no whole message came for 10 s (socket.cpp): a fragment
// must fit through a narrow line in less, 32 KiB at 64 kbit/s in 4 s.
inline constexpr std::size_t kFragmentBytesTarget = std::size_t{32} << 10;

enum class Kind : std::uint16_t {
  hello = 1,       ///< apply -> capture, JSON: who asks, from which position
  welcome = 2,     ///< capture -> apply, JSON: source, era, position, tables
  credit = 3,      ///< apply -> capture: bytes:u64 messages:u64 more may be sent
  copy = 4,        ///< apply -> capture, JSON: tables and cursors to copy from
  follow = 5,      ///< apply -> capture: position; send batches from here
  ack = 6,         ///< apply -> capture: position that is durable on the target
  chunk_rows = 7,  ///< capture -> apply: part:u32, then a fragment of that part's entry stream
  chunk_end = 8,   ///< capture -> apply, JSON: part, cursor reached, rows, whether the part is done
  batch_begin = 9,   ///< capture -> apply: from:position
  batch_rows = 10,   ///< capture -> apply: a fragment of the entry stream
  batch_end = 11,    ///< capture -> apply: to:position wall_us:i64 entries:u64
  refusal = 12,      ///< either way, JSON: a named error; the session is over
  bye = 13,          ///< either way: the session is over, without error
  idle = 14,         ///< capture -> apply: position; everything captured up to it has been sent
  batch_slice = 15,  ///< capture -> apply: the rows that follow were read later than those before
  batch_reset = 16,  ///< capture -> apply: table:u32; the batch holds every row of it from here on
  // link/wire/verification.hpp
  barrier_wanted = 17,  ///< apply -> capture: compare a range, or show rows, at the next barrier
  barrier = 18,         ///< capture -> apply: a read view is open at this position
  digests = 19,         ///< capture -> apply: what the range holds there
  narrow = 20,          ///< apply -> capture: blocks that differ
  block_rows = 21,      ///< capture -> apply: the rows of one of them
  shown_rows = 22,      ///< capture -> apply: rows that were asked for by key
  barrier_failed = 23,  ///< capture -> apply: why the source could not be read there
  query_answers = 24,   ///< capture -> apply: what the source answers to queries there
};

[[nodiscard]] std::string_view to_string(Kind kind);

struct Message {
  Kind kind = Kind::bye;
  std::uint64_t session = 0;
  std::uint64_t number = 0;
  std::string body;
};

[[nodiscard]] inline bool fits_message(std::string_view body) {
  return body.size() <= kBodyBytesMax;
}

/// Throws Error LS-W511 if the body does not fit.
[[nodiscard]] std::string encode(const Message& message);
/// Throws Error LS-W502 (magic, length, checksum, unknown kind) or LS-W503 (another version; both
/// named).
[[nodiscard]] Message decode(std::string_view frame);

}  // namespace lockstep::wire
