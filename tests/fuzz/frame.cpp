// Frames on the wire. Half of the inputs get a right length and checksum: random bytes hardly ever
// have them, and what is behind them would stay unseen.
#include <xxhash.h>

#include "link/wire/message.hpp"
#include "model/row_stream.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {
using namespace lockstep;

constexpr std::size_t kLengthAt = 24;
constexpr std::size_t kChecksumAt = 32;

void place(std::string& frame, std::size_t at, const std::string& bytes) {
  frame.replace(at, bytes.size(), bytes);
}

void make_sound(std::string& frame) {
  if (frame.size() < wire::kHeaderBytes) return;
  std::string length, checksum;
  put_u32(length, static_cast<std::uint32_t>(frame.size() - wire::kHeaderBytes));
  place(frame, kLengthAt, length);
  place(frame, kChecksumAt, std::string(8, '\0'));
  put_u64(checksum, XXH3_64bits(frame.data(), frame.size()));
  place(frame, kChecksumAt, checksum);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const bool sound = input.byte() % 2 == 1;
  std::string frame(input.rest());
  if (sound) make_sound(frame);
  fuzz::refused_by_name("LS-W502 LS-W503", [&] {
    const wire::Message message = wire::decode(frame);
    check(wire::encode(message) == frame, "a frame that is taken is the one its message gives");
  });
  return 0;
}
