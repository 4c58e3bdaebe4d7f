// Bodies of control messages. What can be read is written and read again: both must say the same.
#include "link/wire/control.hpp"
#include "link/wire/message.hpp"
#include "link/wire/verification.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {
using namespace lockstep;

template <class Decode, class Encode>
void there_and_back(std::string_view body, Decode decode, Encode encode) {
  fuzz::refused_by_name("LS-W504", [&] {
    const std::string once = encode(decode(body));
    check(encode(decode(once)) == once, "a body that can be read can be written and read again");
  });
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto kind = static_cast<wire::Kind>(input.byte());
  const std::string_view body = input.rest();
  switch (kind) {
    case wire::Kind::hello:
      there_and_back(body, wire::decode_hello, wire::encode_hello);
      break;
    case wire::Kind::welcome:
      there_and_back(body, wire::decode_welcome, wire::encode_welcome);
      break;
    case wire::Kind::credit:
      there_and_back(body, wire::decode_credit, wire::encode_credit);
      break;
    case wire::Kind::copy:
      there_and_back(body, wire::decode_copy, wire::encode_copy);
      break;
    case wire::Kind::follow:
    case wire::Kind::ack:
    case wire::Kind::idle:
      there_and_back(body, wire::decode_position, wire::encode_position);
      break;
    case wire::Kind::chunk_rows:
      there_and_back(body, wire::decode_chunk_rows, wire::encode_chunk_rows);
      break;
    case wire::Kind::chunk_end:
      there_and_back(body, wire::decode_chunk_end, wire::encode_chunk_end);
      break;
    case wire::Kind::batch_begin:
      there_and_back(body, wire::decode_batch_begin, wire::encode_batch_begin);
      break;
    case wire::Kind::batch_end:
      there_and_back(body, wire::decode_batch_end, wire::encode_batch_end);
      break;
    case wire::Kind::batch_reset:
      there_and_back(body, wire::decode_batch_reset, wire::encode_batch_reset);
      break;
    case wire::Kind::refusal:
      there_and_back(body, wire::decode_refusal, wire::encode_refusal);
      break;
    case wire::Kind::barrier_wanted:
      there_and_back(body, wire::decode_barrier_wanted, wire::encode_barrier_wanted);
      break;
    case wire::Kind::barrier:
      there_and_back(body, wire::decode_barrier, wire::encode_barrier);
      break;
    case wire::Kind::digests:
      there_and_back(body, wire::decode_digests, wire::encode_digests);
      break;
    case wire::Kind::narrow:
      there_and_back(body, wire::decode_narrow, wire::encode_narrow);
      break;
    case wire::Kind::block_rows:
      there_and_back(body, wire::decode_block_rows, wire::encode_block_rows);
      break;
    case wire::Kind::shown_rows:
      there_and_back(body, wire::decode_shown_rows, wire::encode_shown_rows);
      break;
    case wire::Kind::query_answers:
      there_and_back(body, wire::decode_query_answers, wire::encode_query_answers);
      break;
    case wire::Kind::barrier_failed:
      there_and_back(body, wire::decode_barrier_failed, wire::encode_barrier_failed);
      break;
    case wire::Kind::batch_rows:  // see rows.cpp; the other two have no body
    case wire::Kind::bye:
    case wire::Kind::batch_slice:
      break;
  }
  return 0;
}
