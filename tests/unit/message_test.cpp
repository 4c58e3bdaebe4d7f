#include "link/wire/message.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <random>

#include "link/wire/control.hpp"
#include "model/error.hpp"
#include "tests/support/seed.hpp"

namespace lockstep::wire {
namespace {

/// The code of the Error that decode() throws; empty if it does not.
std::string refusal_of(std::string_view frame) {
  try {
    static_cast<void>(decode(frame));
    return {};
  } catch (const Error& error) {
    return error.code();
  }
}

std::string text_of_refusal(std::string_view frame) {
  try {
    static_cast<void>(decode(frame));
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// Gives a changed frame the checksum that fits it.
std::string sealed(std::string frame) {
  frame.replace(32, 8, 8, '\0');
  const std::uint64_t checksum = XXH3_64bits(frame.data(), frame.size());
  for (unsigned i = 0; i < 8; ++i)
    frame[32 + i] = static_cast<char>(checksum >> (56 - 8 * i) & 0xff);
  return frame;
}

bool same(const Message& a, const Message& b) {
  return a.kind == b.kind && a.session == b.session && a.number == b.number && a.body == b.body;
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

const Message kSample{Kind::batch_rows, 0x1122334455667788, 0x99aabbccddeeff00,
                      std::string("rows\0of bytes", 13)};

TEST_CASE("every kind of message comes back as it was sent") {
  for (std::uint16_t kind = 1; kind <= 23; ++kind) {
    const Message sent{static_cast<Kind>(kind), 7, kind, std::string(kind * 100U, '\xfe')};
    CAPTURE(to_string(sent.kind));
    CHECK(to_string(sent.kind) != "?");
    CHECK(same(decode(encode(sent)), sent));
  }
}

TEST_CASE("the largest body comes back whole, and a larger one is not sent") {
  Message message{Kind::chunk_rows, 1, 2, std::string(kBodyBytesMax, 'x')};
  CHECK(same(decode(encode(message)), message));
  message.body += 'x';
  CHECK_THROWS_AS(encode(message), Error);
}

TEST_CASE("a frame has the bytes that the README shows") {
  std::ifstream file(LOCKSTEP_SOURCE_DIR "/link/wire/README.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t begin = text.find("```hex\n");
  REQUIRE(begin != std::string::npos);
  std::string shown;
  for (const char c : text.substr(begin + 7, text.find("```", begin + 7) - begin - 7))
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) shown += c;
  CHECK(hex_of(encode({Kind::credit, 0x0102030405060708, 3, encode_credit({1 << 20, 64})})) ==
        shown);
}

TEST_CASE("the header is big-endian and its checksum covers the whole frame") {
  const std::string frame = encode(kSample);
  CHECK(frame.size() == kHeaderBytes + kSample.body.size());
  CHECK(hex_of(frame.substr(0, 32)) ==
        "4c535450"
        "0002"
        "000a"
        "1122334455667788"
        "99aabbccddeeff00" +
            fmt::format("{:08x}", kSample.body.size()) + "00000000");
  CHECK(sealed(frame) == frame);
}

TEST_CASE("a frame that was damaged anywhere is refused") {
  const std::string frame = encode(kSample);
  for (std::size_t at = 0; at < frame.size(); ++at)
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = frame;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ 1U << bit);
      CAPTURE(at, bit);
      CHECK(refusal_of(damaged) == (at == 4 || at == 5 ? "LS-W503" : "LS-W502"));
    }
}

TEST_CASE("a frame that was cut or has bytes behind it is refused") {
  const std::string frame = encode(kSample);
  for (std::size_t length = 0; length < frame.size(); ++length)
    CHECK(refusal_of(frame.substr(0, length)) == "LS-W502");
  CHECK(refusal_of(frame + '\0') == "LS-W502");
}

TEST_CASE("another version is refused by both numbers, whatever its checksum") {
  std::string frame = encode(kSample);
  frame[5] = 9;
  CHECK(refusal_of(frame) == "LS-W503");
  CHECK_THAT(text_of_refusal(frame), Catch::Contains("version 9") && Catch::Contains("version 2"));
}

TEST_CASE("an unknown kind and used reserved bytes are refused though the checksum fits") {
  for (const int kind : {0, 25, 0x100, 0xffff}) {
    const std::string frame = encode({static_cast<Kind>(kind), 1, 1, {}});
    CHECK_THAT(text_of_refusal(frame), Catch::Contains(fmt::format("kind {}", kind)));
  }
  std::string frame = encode(kSample);
  frame[31] = 1;
  CHECK_THAT(text_of_refusal(sealed(frame)), Catch::Contains("reserved"));
}

TEST_CASE("a body above the limit is refused though its header and checksum fit") {
  std::string frame = encode({Kind::chunk_rows, 1, 2, std::string(kBodyBytesMax, 'x')});
  frame += 'x';
  frame[27] = 1;
  CHECK_THAT(text_of_refusal(sealed(frame)), Catch::Contains("4194305 bytes"));
}

std::string mutated(std::string frame, std::mt19937_64& dice) {
  const auto roll = [&](std::size_t sides) { return static_cast<std::size_t>(dice() % sides); };
  for (std::size_t changes = 1 + roll(4); changes > 0; --changes) switch (roll(5)) {
      case 0:
        frame.resize(roll(frame.size() + 1));
        break;
      case 1:
        if (!frame.empty()) frame[roll(frame.size())] ^= static_cast<char>(1 + roll(255));
        break;
      case 2:
        frame.insert(roll(frame.size() + 1), 1 + roll(9), static_cast<char>(dice()));
        break;
      case 3:
        if (!frame.empty()) frame.erase(roll(frame.size()), 1 + roll(9));
        break;
      default:
        for (char& c : frame) c = static_cast<char>(dice());
        break;
    }
  return frame;
}

TEST_CASE("whatever bytes come, decode gives the message that was sent or a named refusal") {
  std::mt19937_64 dice(test::test_seed());
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 40'000; ++round) {
    const Message sent{static_cast<Kind>(1 + dice() % 14), dice(), dice(),
                       std::string(dice() % 200, static_cast<char>(dice()))};
    const std::string frame = encode(sent);
    const std::string arrived = mutated(frame, dice);
    // Every second one gets a checksum that fits, so that the checks behind it are reached.
    const bool seal = round % 2 == 0 && arrived.size() >= kHeaderBytes;
    try {
      const Message got = decode(seal ? sealed(arrived) : arrived);
      ++read;
      if (seal) {
        CHECK(encode(got) == sealed(arrived));
      } else {
        CHECK(arrived == frame);
        CHECK(same(got, sent));
      }
    } catch (const Error& error) {
      ++refused;
      if (error.code() != "LS-W502" && error.code() != "LS-W503") FAIL(error.code());
    }
  }
  CHECK(read > 100);
  CHECK(refused > 10'000);
}

}  // namespace
}  // namespace lockstep::wire
