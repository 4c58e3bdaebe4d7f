#include "model/row_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "model/big_endian.hpp"
#include "model/error.hpp"

namespace lockstep {

namespace {

constexpr std::size_t kEntryHeadBytes = 5;  // table, present

[[noreturn]] void throw_malformed(std::string_view cause) {
  throw Error({.code = "LS-W501",
               .exit = ExitCode::stopped,
               .what = "a row on the wire cannot be read",
               .why = std::string(cause),
               .data = "nothing of this message was applied",
               .todo = "the session starts again by itself; if it comes back, report it",
               .retry = Retry::new_session});
}

[[noreturn]] void throw_too_large(std::size_t bytes, std::string_view what, std::size_t limit) {
  throw Error({.code = "LS-D413",
               .exit = ExitCode::stopped,
               .what = fmt::format("a {} of {} bytes is too large to be carried", what, bytes),
               .why = fmt::format("the limit is {} bytes: memory has to stay bounded", limit),
               .data = "applied up to the batch before it; nothing is lost and nothing was cut",
               .todo = "make it smaller in the application and run lockstep again, or start over "
                       "with --exclude for "
                       "its table"});
}

}  // namespace

void put_u8(std::string& out, std::uint8_t value) {
  out += static_cast<char>(value);
}

void put_u32(std::string& out, std::uint32_t value) {
  append_big_endian(out, value);
}

void put_u64(std::string& out, std::uint64_t value) {
  append_big_endian(out, value);
}

std::uint32_t get_u32(const char* bytes) {
  return load_big_endian<std::uint32_t>(bytes);
}

std::uint64_t get_u64(const char* bytes) {
  return load_big_endian<std::uint64_t>(bytes);
}

void EntryWriter::begin(std::uint32_t table, bool present) {
  start_ = out_.size();
  put_u32(out_, 0);  // the length, filled in by end()
  put_u32(out_, table);
  put_u8(out_, present ? 1 : 0);
}

void EntryWriter::put(const ValueView& value) {
  put_u8(out_, static_cast<std::uint8_t>(value.kind));
  switch (value.kind) {
    case ValueClass::null:
      return;
    case ValueClass::integer:
      put_u64(out_, static_cast<std::uint64_t>(value.integer));
      return;
    case ValueClass::real:
      put_u64(out_, std::bit_cast<std::uint64_t>(value.real));
      return;
    case ValueClass::text:
    case ValueClass::blob:
      if (value.bytes.size() > kValueBytesMax)
        throw_too_large(value.bytes.size(), "value", kValueBytesMax);
      put_u32(out_, static_cast<std::uint32_t>(value.bytes.size()));
      out_.append(value.bytes);
      return;
  }
}

void EntryWriter::end() {
  const std::size_t length = out_.size() - start_ - kEntryPrefixBytes;
  if (length > kEntryBytesMax) throw_too_large(length, "row", kEntryBytesMax);
  store_big_endian(out_.data() + start_, static_cast<std::uint32_t>(length));
}

void EntryWriter::abandon() {
  out_.resize(start_);
}

std::optional<ValueView> ValueCursor::next() {
  if (rest_.empty() || malformed_) return std::nullopt;
  malformed_ = true;  // until this value proves to be whole
  ValueView value;
  const auto tag = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  if (tag > static_cast<std::uint8_t>(ValueClass::blob)) return std::nullopt;
  value.kind = static_cast<ValueClass>(tag);
  if (value.kind == ValueClass::integer || value.kind == ValueClass::real) {
    if (rest_.size() < sizeof(std::uint64_t)) return std::nullopt;
    const std::uint64_t bits = get_u64(rest_.data());
    if (value.kind == ValueClass::integer)
      value.integer = static_cast<std::int64_t>(bits);
    else
      value.real = std::bit_cast<double>(bits);
    rest_.remove_prefix(sizeof bits);
  } else if (value.kind != ValueClass::null) {
    if (rest_.size() < sizeof(std::uint32_t)) return std::nullopt;
    const std::size_t length = get_u32(rest_.data());
    rest_.remove_prefix(sizeof(std::uint32_t));
    if (rest_.size() < length) return std::nullopt;
    value.bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
  }
  malformed_ = false;
  return value;
}

void EntryReader::feed(std::string_view fragment) {
  constexpr std::size_t kKeptBytes = std::size_t{4} << 20;
  if (at_ > 0 && buffer_.capacity() > kKeptBytes)
    buffer_ = std::string(buffer_, at_);  // a large row was in it
  else
    buffer_.erase(0, at_);
  at_ = 0;
  buffer_.append(fragment);
  if (buffer_.size() < kEntryPrefixBytes) return;
  // The fragments of a large row come one by one, into room that is made at once: but a length is
  // only a claim, and gets the memory when an eighth of the row is here.
  constexpr std::size_t kBelievedBytes = std::size_t{1} << 20;
  constexpr std::size_t kBelievedTimes = 8;
  const std::size_t length = get_u32(buffer_.data());
  if (length <= std::max(kBelievedBytes, kBelievedTimes * buffer_.size()) &&
      length <= kEntryBytesMax)
    buffer_.reserve(kEntryPrefixBytes + length);
}

std::optional<EntryView> EntryReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  if (rest.size() < kEntryPrefixBytes) return std::nullopt;
  const std::size_t length = get_u32(rest.data());
  if (length < kEntryHeadBytes || length > kEntryBytesMax)
    throw_malformed(fmt::format("an entry of {} bytes", length));
  if (rest.size() < kEntryPrefixBytes + length) return std::nullopt;
  const std::string_view body = rest.substr(kEntryPrefixBytes, length);
  const auto present = static_cast<std::uint8_t>(body[4]);
  if (present > 1) throw_malformed(fmt::format("presence {}", present));
  at_ += kEntryPrefixBytes + length;
  return EntryView{get_u32(body.data()), present == 1, body.substr(kEntryHeadBytes)};
}

}  // namespace lockstep
