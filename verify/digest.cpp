#include "verify/digest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "model/big_endian.hpp"
#include "model/error.hpp"
#include "verify/shown_key.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

bool is_number(const Value& value) {
  return value.kind == ValueClass::integer || value.kind == ValueClass::real;
}

bool is_nan(const Value& value) {
  return value.kind == ValueClass::real && std::isnan(value.real);
}

// long double has every integer of 64 bits on the machines we build for.
static_assert(std::numeric_limits<long double>::digits >= 64);
std::weak_ordering number_order(const Value& a, const Value& b) {
  const auto number = [](const Value& value) {
    return value.kind == ValueClass::integer ? static_cast<long double>(value.integer)
                                             : static_cast<long double>(value.real);
  };
  if (is_nan(a) || is_nan(b)) return is_nan(a) <=> is_nan(b);  // as PostgreSQL sorts it
  return number(a) < number(b)   ? std::weak_ordering::less
         : number(a) > number(b) ? std::weak_ordering::greater
                                 : std::weak_ordering::equivalent;
}

std::weak_ordering value_order(const Value& a, const Value& b) {
  if (a.kind != b.kind)
    return is_number(a) && is_number(b) ? number_order(a, b) : a.kind <=> b.kind;
  switch (a.kind) {
    case ValueClass::null:
      return std::weak_ordering::equivalent;
    case ValueClass::integer:
      return a.integer <=> b.integer;
    case ValueClass::real:
      return number_order(a, b);
    case ValueClass::text:
    case ValueClass::blob:
      // char_traits<char> compares as unsigned bytes.
      return a.bytes.compare(b.bytes) <=> 0;
  }
  return std::weak_ordering::equivalent;
}

[[noreturn]] void throw_no_key() {
  throw Error({.code = "LS-W504",
               .exit = ExitCode::stopped,
               .what = "a key of a comparison cannot be read",
               .why = "its bytes are no canonical values",
               .data = "nothing was compared",
               .todo = "the same release on both ends",
               .retry = Retry::new_session});
}

class KeyReader {
 public:
  explicit KeyReader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool done() const { return rest_.empty(); }
  Value next() {
    Value value;
    const auto tag = static_cast<unsigned char>(take(1)[0]);
    if (tag > static_cast<unsigned char>(ValueClass::blob)) throw_no_key();
    value.kind = static_cast<ValueClass>(tag);
    if (value.kind == ValueClass::null) return value;
    const std::uint64_t number = fixed();
    if (value.kind == ValueClass::integer)
      value.integer = static_cast<std::int64_t>(number);
    else if (value.kind == ValueClass::real)
      value.real = std::bit_cast<double>(number);
    else
      value.bytes = take(number);
    return value;
  }

 private:
  std::string_view take(std::uint64_t bytes) {
    if (bytes > rest_.size()) throw_no_key();
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  std::uint64_t fixed() {
    return load_big_endian<std::uint64_t>(take(sizeof(std::uint64_t)).data());
  }

  std::string_view rest_;
};

}  // namespace

std::weak_ordering key_order(const Key& a, const Key& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    if (const auto order = value_order(a[i], b[i]); order != 0) return order;
  return a.size() <=> b.size();
}

std::weak_ordering key_order(const std::vector<std::size_t>& key, const std::vector<Value>& a,
                             const std::vector<Value>& b) {
  for (const std::size_t column : key)
    if (const auto order = value_order(a[column], b[column]); order != 0) return order;
  return std::weak_ordering::equivalent;
}

bool has_null(const Key& key) {
  return std::any_of(key.begin(), key.end(),
                     [](const Value& value) { return value.kind == ValueClass::null; });
}

bool source_may_have(const Key& key) {
  return !has_null(key) && std::none_of(key.begin(), key.end(), is_nan);
}

std::string key_bytes(const Key& key) {
  std::string bytes;
  for (const Value& value : key) append_canonical(bytes, value.view());
  return bytes;
}

Key parse_key_bytes(std::string_view bytes) {
  Key key;
  for (KeyReader reader(bytes); !reader.done();) key.push_back(reader.next());
  return key;
}

std::string describe_key(const TablePlan& plan, const Key& key) {
  const TableShape& shape = plan.shape;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < shape.key.size() && i < key.size(); ++i)
    parts.push_back(
        fmt::format("{}={}", shape.columns[shape.key[i]].name,
                    shown_value(plan, shape.key[i], unmarked(plan, shape.key[i], key[i]).view())));
  return fmt::format("{}", fmt::join(parts, ", "));
}

bool Block::operator==(const Block& other) const {
  if (last.has_value() != other.last.has_value()) return false;
  if (last && key_bytes(*last) != key_bytes(*other.last)) return false;
  return rows == other.rows && digest == other.digest;
}

void RangeRows::add(const Key& key, std::uint64_t hash) {
  for (const Value& value : key) append_canonical(keys_, value.view());
  key_ends_.push_back(keys_.size());
  hashes_.push_back(hash);
}

void RangeRows::end_block() {
  ends_.push_back(hashes_.size());
}

bool RangeRows::block_full() const {
  const std::size_t begin = begin_of(blocks());
  const std::size_t key_begin = begin == 0 ? 0 : key_ends_[begin - 1];
  return hashes_.size() - begin >= kBlockRows || keys_.size() - key_begin >= kBlockKeyBytes;
}

std::uint64_t RangeRows::rows_of(std::size_t block) const {
  return ends_[block] - begin_of(block);
}

std::uint64_t RangeRows::digest_of(std::size_t block) const {
  std::uint64_t sum = 0;
  for (std::size_t i = begin_of(block); i < ends_[block]; ++i) sum += hashes_[i];
  return sum;
}

std::vector<KeptRow> RangeRows::rows_in(std::size_t block) const {
  std::vector<KeptRow> rows;
  for (std::size_t i = begin_of(block); i < ends_[block]; ++i) {
    const std::size_t begin = i == 0 ? 0 : key_ends_[i - 1];
    rows.push_back({std::string_view(keys_).substr(begin, key_ends_[i] - begin), hashes_[i]});
  }
  return rows;
}

std::string_view to_string(Difference difference) {
  switch (difference) {
    case Difference::missing:
      return "missing";
    case Difference::extra:
      return "extra";
    case Difference::differ:
      return "differ";
  }
  return "?";
}

std::vector<RowDifference> differences(const std::vector<KeptRow>& source,
                                       const std::vector<KeptRow>& target) {
  std::unordered_map<std::string_view, std::uint64_t> there;
  std::vector<RowDifference> found;
  for (const KeptRow& row : target)
    // Twice the same key: only a damaged unique index lets that in.
    if (!there.emplace(row.key, row.hash).second)
      found.push_back({Difference::extra, std::string(row.key)});
  for (const KeptRow& row : source) {
    const auto other = there.find(row.key);
    if (other == there.end()) {
      found.push_back({Difference::missing, std::string(row.key)});
      continue;
    }
    if (other->second != row.hash) found.push_back({Difference::differ, std::string(row.key)});
    there.erase(other);
  }
  for (const auto& [key, hash] : there) found.push_back({Difference::extra, std::string(key)});
  return found;
}

}  // namespace lockstep::verify
