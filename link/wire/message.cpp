#include "link/wire/message.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstring>
#include <memory>

#include "model/big_endian.hpp"
#include "model/error.hpp"
#include "model/row_stream.hpp"

namespace lockstep::wire {

namespace {

constexpr std::string_view kMagic = "LSTP";
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kKindAt = 6;
constexpr std::size_t kSessionAt = 8;
constexpr std::size_t kNumberAt = 16;
constexpr std::size_t kLengthAt = 24;
constexpr std::size_t kReservedAt = 28;
constexpr std::size_t kChecksumAt = 32;
static_assert(kChecksumAt + sizeof(std::uint64_t) == kHeaderBytes);

struct FreeState {
  void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
};

/// In two pieces, so that a received frame (up to 4 MiB) need not be copied to blank its checksum.
std::uint64_t checksum_of(std::string_view frame) {
  char header[kHeaderBytes];
  std::memcpy(header, frame.data(), kHeaderBytes);
  std::memset(header + kChecksumAt, 0, sizeof(std::uint64_t));
  const std::unique_ptr<XXH3_state_t, FreeState> state(XXH3_createState());
  check(state != nullptr, "a checksum's state could be allocated");
  XXH3_64bits_reset(state.get());
  XXH3_64bits_update(state.get(), header, kHeaderBytes);
  XXH3_64bits_update(state.get(), frame.data() + kHeaderBytes, frame.size() - kHeaderBytes);
  return XXH3_64bits_digest(state.get());
}

[[noreturn]] void throw_damaged(const std::string& why) {
  throw Error({.code = "LS-W502",
               .exit = ExitCode::stopped,
               .what = "a message cannot be read",
               .why = why,
               .data = "nothing of this message was applied",
               .todo = "the session starts again by itself; if it comes back, check the network "
                       "and the memory of both hosts",
               .retry = Retry::new_session});
}

[[noreturn]] void throw_other_version(std::uint16_t theirs) {
  throw Error({.code = "LS-W503",
               .exit = ExitCode::precondition,
               .what = "capture and apply do not understand each other",
               .why = fmt::format("the other end speaks wire version {}, this one version {}",
                                  theirs, kVersion),
               .data = "nothing was sent and nothing was applied",
               .todo = "install the same release of lockstep on both ends"});
}

}  // namespace

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::hello:
      return "hello";
    case Kind::welcome:
      return "welcome";
    case Kind::credit:
      return "credit";
    case Kind::copy:
      return "copy";
    case Kind::follow:
      return "follow";
    case Kind::ack:
      return "ack";
    case Kind::chunk_rows:
      return "chunk_rows";
    case Kind::chunk_end:
      return "chunk_end";
    case Kind::batch_begin:
      return "batch_begin";
    case Kind::batch_rows:
      return "batch_rows";
    case Kind::batch_end:
      return "batch_end";
    case Kind::refusal:
      return "refusal";
    case Kind::bye:
      return "bye";
    case Kind::idle:
      return "idle";
    case Kind::batch_slice:
      return "batch_slice";
    case Kind::batch_reset:
      return "batch_reset";
    case Kind::barrier_wanted:
      return "barrier_wanted";
    case Kind::barrier:
      return "barrier";
    case Kind::digests:
      return "digests";
    case Kind::narrow:
      return "narrow";
    case Kind::block_rows:
      return "block_rows";
    case Kind::shown_rows:
      return "shown_rows";
    case Kind::barrier_failed:
      return "barrier_failed";
    case Kind::query_answers:
      return "query_answers";
  }
  return "?";
}

std::string encode(const Message& message) {
  // Rows are cut into fragments long before; only a JSON body (thousands of tables) can get here.
  if (!fits_message(message.body))
    throw Error(
        {.code = "LS-W511",
         .exit = ExitCode::stopped,
         .what = fmt::format("a {} message is too large to be sent", to_string(message.kind)),
         .why = fmt::format("its body has {} bytes; {} are allowed", message.body.size(),
                            kBodyBytesMax),
         .data = "nothing of this message was sent",
         .todo = "carry over fewer tables at once, or tables with smaller keys"});
  std::string frame;
  frame.reserve(kHeaderBytes + message.body.size());
  frame += kMagic;
  append_big_endian<std::uint16_t>(frame, kVersion);
  append_big_endian<std::uint16_t>(frame, static_cast<std::uint16_t>(message.kind));
  put_u64(frame, message.session);
  put_u64(frame, message.number);
  put_u32(frame, static_cast<std::uint32_t>(message.body.size()));
  put_u32(frame, 0);
  put_u64(frame, 0);
  frame += message.body;
  std::string checksum;
  put_u64(checksum, checksum_of(frame));
  frame.replace(kChecksumAt, checksum.size(), checksum);
  return frame;
}

Message decode(std::string_view frame) {
  if (frame.size() < kHeaderBytes)
    throw_damaged(fmt::format("{} bytes are less than a header", frame.size()));
  if (frame.substr(0, kMagic.size()) != kMagic)
    throw_damaged("it does not begin as lockstep's messages do");
  // Before the checksum: another version may have another one.
  const std::uint16_t version = load_big_endian<std::uint16_t>(frame.data() + kVersionAt);
  if (version != kVersion) throw_other_version(version);
  const std::size_t length = get_u32(frame.data() + kLengthAt);
  if (length != frame.size() - kHeaderBytes)
    throw_damaged(fmt::format("its header announces {} bytes of body, {} follow", length,
                              frame.size() - kHeaderBytes));
  if (length > kBodyBytesMax)
    throw_damaged(fmt::format("its body has {} bytes; {} are allowed", length, kBodyBytesMax));
  if (get_u64(frame.data() + kChecksumAt) != checksum_of(frame))
    throw_damaged("its checksum does not fit its bytes");
  if (get_u32(frame.data() + kReservedAt) != 0) throw_damaged("its reserved bytes are used");
  const std::uint16_t number = load_big_endian<std::uint16_t>(frame.data() + kKindAt);
  const auto kind = static_cast<Kind>(number);
  if (to_string(kind) == "?") throw_damaged(fmt::format("its kind {} is unknown", number));
  return {kind, get_u64(frame.data() + kSessionAt), get_u64(frame.data() + kNumberAt),
          std::string(frame.substr(kHeaderBytes))};
}

}  // namespace lockstep::wire
