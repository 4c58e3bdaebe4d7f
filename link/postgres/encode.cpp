#include "link/postgres/encode.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "link/postgres/names.hpp"
#include "link/postgres/numeric.hpp"
#include "model/big_endian.hpp"
#include "model/error.hpp"
#include "model/spelling.hpp"
#include "model/utf8.hpp"

namespace lockstep::postgres {

namespace {

static_assert(std::endian::native == std::endian::little, "append_* swap bytes");

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;
constexpr std::size_t kFieldBytesMax = std::numeric_limits<std::int32_t>::max();

enum class Nul { allowed, refused };

/// One pass for both questions, eight ASCII bytes at a time. The first trouble in the text is the
/// one that is told.
template <Nul nul>
Misfit text_misfit(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    while (end - at >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, sizeof word);
      // A zero byte borrows into its own high bit, so one test finds both NUL and non-ASCII.
      const std::uint64_t odd = nul == Nul::refused ? ((word - kOnes) | word) : word;
      if ((odd & kHighs) != 0) break;
      at += 8;
    }
    if (at == end) break;
    if (*at == 0 && nul == Nul::refused) return Misfit::nul_in_text;
    if (*at < 0x80) {
      ++at;
      continue;
    }
    // Letters of one script come together: stay here while they do.
    do {
      const std::size_t length = utf8_multibyte_length(at, static_cast<std::size_t>(end - at));
      if (length == 0) return Misfit::invalid_utf8;
      at += length;
    } while (at != end && *at >= 0x80);
  }
  return Misfit::none;
}

std::uint64_t number_bits(const ValueView& value) {
  return value.kind == ValueClass::integer ? static_cast<std::uint64_t>(value.integer)
                                           : std::bit_cast<std::uint64_t>(value.real);
}

bool takes(ColumnType type, ValueClass kind) {
  switch (type) {
    case ColumnType::bigint:
      return kind == ValueClass::integer;
    case ColumnType::double_precision:
      return kind == ValueClass::real;
    case ColumnType::text:
      return kind == ValueClass::text;
    case ColumnType::bytea:
      return kind == ValueClass::blob;
    case ColumnType::numeric:
      return kind == ValueClass::integer || kind == ValueClass::real;
    case ColumnType::boolean:
    case ColumnType::timestamp_ms:
      return kind == ValueClass::integer;
    case ColumnType::date:
    case ColumnType::timestamp:
    case ColumnType::timestamptz:
    case ColumnType::uuid:
    case ColumnType::json:
      return kind == ValueClass::text;
  }
  return false;
}

/// Of a text that is valid UTF-8.
Misfit meaning_misfit(std::string_view text, ColumnType type) {
  switch (type) {
    case ColumnType::date:
      return parse_day(text) ? Misfit::none : Misfit::not_date;
    case ColumnType::timestamp: {
      const auto instant = parse_instant(text);
      return instant && instant->zone == Zone::none ? Misfit::none : Misfit::not_timestamp;
    }
    case ColumnType::timestamptz: {
      const auto instant = parse_instant(text);
      return instant && instant->zone != Zone::none ? Misfit::none : Misfit::not_timestamptz;
    }
    case ColumnType::uuid:
      return parse_uuid(text) ? Misfit::none : Misfit::not_uuid;
    case ColumnType::json:
      return is_json(text) ? Misfit::none : Misfit::not_json;
    case ColumnType::bigint:
    case ColumnType::double_precision:
    case ColumnType::text:
    case ColumnType::bytea:
    case ColumnType::numeric:
    case ColumnType::boolean:
    case ColumnType::timestamp_ms:
      break;
  }
  return Misfit::none;
}

template <class Unsigned>
void append_big(std::string& out, Unsigned value) {
  char bytes[sizeof value];
  store_big_endian(bytes, value);
  out.append(bytes, sizeof bytes);
}

/// The types whose bytes are not those of the value itself. `value` fits.
void append_meaning(std::string& out, const ValueView& value, ColumnType type) {
  switch (type) {
    case ColumnType::numeric:
      append_numeric(out, value);
      return;
    case ColumnType::boolean:
      out += static_cast<char>(value.integer);
      return;
    case ColumnType::date:
      append_big(out, static_cast<std::uint32_t>(parse_day(value.bytes).value()));
      return;
    case ColumnType::timestamp:
    case ColumnType::timestamptz:
      append_big(out, static_cast<std::uint64_t>(parse_instant(value.bytes).value().microseconds));
      return;
    case ColumnType::timestamp_ms:
      append_big(out, static_cast<std::uint64_t>(instant_of_milliseconds(value.integer).value()));
      return;
    case ColumnType::uuid: {
      const Uuid uuid = parse_uuid(value.bytes).value();
      out.append(uuid.bytes.data(), uuid.bytes.size());
      return;
    }
    case ColumnType::text:
    case ColumnType::bytea:
    case ColumnType::json:
    case ColumnType::bigint:
    case ColumnType::double_precision:
      out.append(value.bytes);
  }
}

bool has_eight_bytes(ColumnType type) {
  return type == ColumnType::bigint || type == ColumnType::double_precision;
}

}  // namespace

std::string_view to_string(Misfit misfit) {
  switch (misfit) {
    case Misfit::none:
      return "fits";
    case Misfit::wrong_class:
      return "wrong storage class";
    case Misfit::nul_in_text:
      return "NUL character in text";
    case Misfit::invalid_utf8:
      return "invalid UTF-8";
    case Misfit::whole_real:
      return "a real equal to an integer, which numeric could not tell from that integer";
    case Misfit::not_boolean:
      return "neither 0 nor 1, and the column was decided to be boolean";
    case Misfit::not_date:
      return "no date YYYY-MM-DD, and the column was decided to be date";
    case Misfit::not_timestamp:
      return "no YYYY-MM-DD HH:MM:SS[.ffffff] without an offset, and the column was decided to be "
             "timestamp without time zone";
    case Misfit::not_timestamptz:
      return "no YYYY-MM-DD HH:MM:SS[.ffffff] with Z or +00:00, and the column was decided to be "
             "timestamp with time zone";
    case Misfit::not_milliseconds:
      return "no milliseconds since 1970 of the years 1 to 9999";
    case Misfit::not_uuid:
      return "no UUID of one case, and the column was decided to be uuid";
    case Misfit::not_json:
      return "not JSON, and the column was decided to be json";
    case Misfit::other_spelling:
      return "spelled otherwise than the column's values were; a unique column would take both "
             "spellings for one value";
    case Misfit::null_refused:
      return "it is NULL, and the column on the target is NOT NULL";
    case Misfit::not_in_target:
      return "the column on the target cannot hold it as it is";
    case Misfit::not_converted:
      return "the column's rule cannot convert it";
  }
  return "?";
}

Misfit misfit_of(const ValueView& value, ColumnType type) {
  if (value.kind == ValueClass::null) return Misfit::none;
  if (!takes(type, value.kind)) return Misfit::wrong_class;
  if (value.kind == ValueClass::text) {
    const Misfit misfit = text_misfit<Nul::refused>(value.bytes);
    return misfit != Misfit::none ? misfit : meaning_misfit(value.bytes, type);
  }
  if (type == ColumnType::boolean && value.integer != 0 && value.integer != 1)
    return Misfit::not_boolean;
  if (type == ColumnType::timestamp_ms && !instant_of_milliseconds(value.integer))
    return Misfit::not_milliseconds;
  if (value.kind == ValueClass::real && std::isnan(value.real)) return Misfit::wrong_class;
  if (type == ColumnType::numeric && !fits_numeric(value)) return Misfit::whole_real;
  return Misfit::none;
}

Misfit misfit_of_carried(const TablePlan& plan, std::size_t column, const ValueView& value) {
  Misfit misfit = misfit_of(value, plan.types[column]);
  if (misfit == Misfit::whole_real && is_numeric_of_reals(plan, column) &&
      fits_numeric_of_reals(value))
    misfit = Misfit::none;
  if (misfit != Misfit::none || !plan.existing || column >= plan.rules.columns.size())
    return misfit;
  const Cast cast = plan.rules.columns[column].cast;
  return cast == Cast::none || misfit_of(value, type_of(cast)) == Misfit::none
             ? Misfit::none
             : Misfit::not_converted;
}

bool valid_utf8(std::string_view text) {
  return text_misfit<Nul::allowed>(text) == Misfit::none;
}

void append_field(std::string& out, const ValueView& value, ColumnType type) {
  if (value.kind == ValueClass::null) {
    out.append(4, '\xff');
    return;
  }
  check(takes(type, value.kind), "a value is encoded as its own class");
  if (has_eight_bytes(type)) {
    char field[12];
    store_big_endian(field, std::uint32_t{8});
    store_big_endian(field + 4, number_bits(value));
    out.append(field, sizeof field);
    return;
  }
  check(value.bytes.size() <= kFieldBytesMax, "a field fits its length");
  char length[4];
  if (type != ColumnType::text && type != ColumnType::bytea) {
    const std::size_t start = out.size();
    out.append(sizeof length, '\0');
    append_meaning(out, value, type);
    store_big_endian(out.data() + start,
                     static_cast<std::uint32_t>(out.size() - start - sizeof length));
    return;
  }
  store_big_endian(length, static_cast<std::uint32_t>(value.bytes.size()));
  out.append(length, sizeof length);
  out.append(value.bytes);
}

void append_tuple_head(std::string& out, std::size_t fields) {
  check(fields <= kColumnsMax, "a tuple has no more fields than PostgreSQL allows");
  char head[2];
  store_big_endian(head, static_cast<std::uint16_t>(fields));
  out.append(head, sizeof head);
}

void append_raw(std::string& out, const ValueView& value, ColumnType type) {
  check(takes(type, value.kind), "a value is encoded as its own class");
  if (!has_eight_bytes(type)) {
    append_meaning(out, value, type);
    return;
  }
  char bytes[8];
  store_big_endian(bytes, number_bits(value));
  out.append(bytes, sizeof bytes);
}

}  // namespace lockstep::postgres
