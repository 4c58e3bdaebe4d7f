#include "link/wire/verification.hpp"

#include <fmt/format.h>

#include "link/wire/control.hpp"
#include "link/wire/json.hpp"
#include "model/row_stream.hpp"

namespace lockstep::wire {

namespace {

constexpr std::uint32_t kNoKey = 0xffff'ffff;  // in place of a key's length

/// Fixed numbers and keys from a body, as far as it goes.
class BodyReader {
 public:
  BodyReader(std::string_view kind, std::string_view body) : kind_(kind), rest_(body) {}

  std::uint32_t u32() { return get_u32(take(4).data()); }
  std::uint64_t u64() { return get_u64(take(8).data()); }
  std::string_view take(std::size_t bytes) {
    if (bytes > rest_.size()) throw_unfit(kind_, "it ends too early");
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  std::optional<std::string> key() {
    const std::uint32_t bytes = u32();
    if (bytes == kNoKey) return std::nullopt;
    return std::string(take(bytes));
  }
  std::string text() {
    auto bytes = key();
    if (!bytes) throw_unfit(kind_, "a key is missing");
    return std::move(*bytes);
  }
  /// How many of at least `bytes` each follow: never more than there is room for.
  std::uint32_t count(std::size_t bytes) {
    const std::uint32_t number = u32();
    if (number > rest_.size() / bytes) throw_unfit(kind_, "it ends too early");
    return number;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  void end() const {
    if (!rest_.empty()) throw_unfit(kind_, fmt::format("{} bytes are left over", rest_.size()));
  }

 private:
  std::string_view kind_;
  std::string_view rest_;
};

void put_key(std::string& out, const std::string& key) {
  put_u32(out, static_cast<std::uint32_t>(key.size()));
  out += key;
}

void put_key(std::string& out, const std::optional<std::string>& key) {
  if (key)
    put_key(out, *key);
  else
    put_u32(out, kNoKey);
}

}  // namespace

std::string encode_barrier_wanted(const BarrierWanted& wanted) {
  std::string out;
  put_u64(out, wanted.barrier);
  put_u32(out, wanted.table);
  put_u32(out, wanted.rows_max);
  put_key(out, wanted.shape);
  put_key(out, wanted.after);
  put_u32(out, static_cast<std::uint32_t>(wanted.keys.size()));
  for (const std::string& key : wanted.keys) put_key(out, key);
  if (wanted.queries.empty() && !wanted.digest_keys) return out;
  put_u32(out, static_cast<std::uint32_t>(wanted.queries.size()));
  for (const std::string& query : wanted.queries) put_key(out, query);
  if (wanted.digest_keys) put_u32(out, 1);
  return out;
}

BarrierWanted decode_barrier_wanted(std::string_view body) {
  BodyReader from("barrier_wanted", body);
  BarrierWanted wanted;
  wanted.barrier = from.u64();
  wanted.table = from.u32();
  wanted.rows_max = from.u32();
  wanted.shape = from.text();
  wanted.after = from.key();
  for (std::uint32_t left = from.count(4); left > 0; --left) wanted.keys.push_back(from.text());
  if (!from.rest().empty())
    for (std::uint32_t left = from.count(4); left > 0; --left)
      wanted.queries.push_back(from.text());
  if (!from.rest().empty()) wanted.digest_keys = from.u32() != 0;
  from.end();
  return wanted;
}

std::string encode_barrier(const Barrier& barrier) {
  std::string out;
  put_u64(out, barrier.barrier);
  return out + encode_position(barrier.position);
}

Barrier decode_barrier(std::string_view body) {
  BodyReader from("barrier", body);
  Barrier barrier;
  barrier.barrier = from.u64();
  barrier.position = decode_position(from.take(kPositionBytes));
  from.end();
  return barrier;
}

std::string encode_digests(const Digests& digests) {
  std::string out;
  put_u64(out, digests.barrier);
  put_u32(out, static_cast<std::uint32_t>(digests.blocks.size()));
  for (const DigestBlock& block : digests.blocks) {
    put_u32(out, block.rows);
    put_u64(out, block.digest);
    put_key(out, block.last);
  }
  put_key(out, digests.resume);
  return out;
}

Digests decode_digests(std::string_view body) {
  BodyReader from("digests", body);
  Digests digests;
  digests.barrier = from.u64();
  for (std::uint32_t left = from.count(16); left > 0; --left) {
    if (!digests.blocks.empty() && !digests.blocks.back().last)
      throw_unfit("digests", "a block follows the last one");
    DigestBlock block;
    block.rows = from.u32();
    block.digest = from.u64();
    block.last = from.key();
    digests.blocks.push_back(std::move(block));
  }
  if (digests.blocks.empty()) throw_unfit("digests", "it has no block");
  digests.resume = from.key();
  if (digests.resume.has_value() != digests.blocks.back().last.has_value())
    throw_unfit("digests", "it does not say where it goes on");
  from.end();
  return digests;
}

std::string encode_narrow(const Narrow& narrow) {
  std::string out;
  put_u64(out, narrow.barrier);
  put_u32(out, static_cast<std::uint32_t>(narrow.blocks.size()));
  for (const std::uint32_t block : narrow.blocks) put_u32(out, block);
  return out;
}

Narrow decode_narrow(std::string_view body) {
  BodyReader from("narrow", body);
  Narrow narrow;
  narrow.barrier = from.u64();
  for (std::uint32_t left = from.count(4); left > 0; --left) narrow.blocks.push_back(from.u32());
  from.end();
  return narrow;
}

std::string encode_block_rows(const BlockRows& rows) {
  std::string out;
  put_u64(out, rows.barrier);
  put_u32(out, rows.block);
  put_u32(out, static_cast<std::uint32_t>(rows.rows.size()));
  for (const HashedRow& row : rows.rows) {
    put_u64(out, row.hash);
    put_key(out, row.key);
  }
  return out;
}

BlockRows decode_block_rows(std::string_view body) {
  BodyReader from("block_rows", body);
  BlockRows rows;
  rows.barrier = from.u64();
  rows.block = from.u32();
  for (std::uint32_t left = from.count(12); left > 0; --left) {
    HashedRow row;
    row.hash = from.u64();
    row.key = from.text();
    rows.rows.push_back(std::move(row));
  }
  from.end();
  return rows;
}

std::string encode_shown_rows(const ShownRows& rows) {
  std::string out;
  put_u64(out, rows.barrier);
  put_u32(out, static_cast<std::uint32_t>(rows.rows.size()));
  for (const ShownRow& row : rows.rows) {
    put_key(out, row.key);
    put_u32(out, row.there ? 1 : 0);
    put_u32(out, static_cast<std::uint32_t>(row.values.size()));
    for (const ShownValue& value : row.values) {
      put_u64(out, value.hash);
      put_key(out, value.text);
    }
  }
  return out;
}

ShownRows decode_shown_rows(std::string_view body) {
  BodyReader from("shown_rows", body);
  ShownRows rows;
  rows.barrier = from.u64();
  for (std::uint32_t left = from.count(12); left > 0; --left) {
    ShownRow row;
    row.key = from.text();
    row.there = from.u32() != 0;
    for (std::uint32_t values = from.count(12); values > 0; --values) {
      ShownValue value;
      value.hash = from.u64();
      value.text = from.text();
      row.values.push_back(std::move(value));
    }
    rows.rows.push_back(std::move(row));
  }
  from.end();
  return rows;
}

std::string encode_query_answers(const QueryAnswers& answers) {
  std::string out;
  put_u64(out, answers.barrier);
  put_u32(out, static_cast<std::uint32_t>(answers.answers.size()));
  for (const QueryAnswer& answer : answers.answers) {
    put_key(out, answer.problem);
    put_u32(out, answer.personal ? 1 : 0);
    put_u32(out, static_cast<std::uint32_t>(answer.rows.size()));
    for (const std::vector<QueryCell>& row : answer.rows) {
      put_u32(out, static_cast<std::uint32_t>(row.size()));
      for (const QueryCell& cell : row) {
        put_u32(out, static_cast<std::uint32_t>(cell.kind));
        put_key(out, cell.text);
      }
    }
  }
  return out;
}

QueryAnswers decode_query_answers(std::string_view body) {
  constexpr std::string_view kName = "query_answers";
  BodyReader from(kName, body);
  QueryAnswers answers;
  answers.barrier = from.u64();
  for (std::uint32_t left = from.count(12); left > 0; --left) {
    QueryAnswer answer;
    answer.problem = from.text();
    answer.personal = from.u32() != 0;
    for (std::uint32_t rows = from.count(4); rows > 0; --rows) {
      std::vector<QueryCell>& row = answer.rows.emplace_back();
      for (std::uint32_t cells = from.count(8); cells > 0; --cells) {
        const std::uint32_t kind = from.u32();
        if (kind > static_cast<std::uint32_t>(QueryCell::Kind::blob))
          throw_unfit(kName, "a cell is of no kind that is known");
        row.push_back({static_cast<QueryCell::Kind>(kind), from.text()});
      }
    }
    answers.answers.push_back(std::move(answer));
  }
  from.end();
  return answers;
}

std::string encode_barrier_failed(const BarrierFailed& failed) {
  std::string out;
  put_u64(out, failed.barrier);
  return out + encode_refusal(failed.error);
}

BarrierFailed decode_barrier_failed(std::string_view body) {
  BodyReader from("barrier_failed", body);
  BarrierFailed failed;
  failed.barrier = from.u64();
  failed.error = decode_refusal(from.rest());
  return failed;
}

}  // namespace lockstep::wire
