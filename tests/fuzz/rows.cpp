// The entry stream: a batch's payload. Fragments cut anywhere must give what the whole gives, and
// rows that are taken are checked against a plan and encoded for COPY, or held for the quarantine.
#include <vector>

#include "link/postgres/encode.hpp"
#include "link/postgres/entry_check.hpp"
#include "link/wire/control.hpp"
#include "link/wire/held_row.hpp"
#include "model/row_stream.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {
using namespace lockstep;

struct Read {
  std::string written;  // the entries, written again
  std::size_t entries = 0;
  bool refused = false;
};

TablePlan every_type() {
  TablePlan plan;
  plan.shape.name = "t";
  plan.types = {ColumnType::bigint, ColumnType::double_precision, ColumnType::text,
                ColumnType::bytea, ColumnType::numeric};
  for (const char* name : {"i", "r", "t", "b", "n"}) {
    Column column;
    column.name = name;
    plan.shape.columns.push_back(column);
  }
  plan.shape.key = {0};
  return plan;
}

/// What the quarantine keeps of a row is read again by whoever looks at it, and by a retry.
void hold_what_does_not_fit(const EntryView& entry) {
  static const TablePlan plan = [] {
    TablePlan holding = every_type();
    holding.on_bad_value.assign(holding.types.size(), OnBadValue::quarantine);
    return holding;
  }();
  fuzz::refused_by_name("LS-D401 LS-D412 LS-D413 LS-W501", [&] {
    const auto bad = postgres::check_entry(plan, entry);
    if (!bad) return;
    const HeldRow held = wire::held_row(plan, entry, bad->column, bad->reason);
    check(wire::encode_key(wire::decode_key(held.key)) == held.key, "a held key is read again");
    check(wire::encode_value(wire::decode_value(held.value)) == held.value,
          "a held value is read again");
  });
}

void encode_checked(const EntryView& entry) {
  static const TablePlan plan = every_type();
  if (!entry.present) {
    ValueCursor values(entry.values);
    if (values.next()) static_cast<void>(postgres::key_fits(plan, entry));
    return;
  }
  hold_what_does_not_fit(entry);
  fuzz::refused_by_name("LS-D401 LS-D412 LS-W501", [&] {
    static_cast<void>(postgres::check_entry(plan, entry));
    ValueCursor values(entry.values);
    std::string tuple;
    for (const ColumnType type : plan.types) postgres::append_field(tuple, *values.next(), type);
  });
}

void take(const EntryView& entry, Read& read) {
  ++read.entries;
  EntryWriter writer(read.written);
  writer.begin(entry.table, entry.present);
  ValueCursor values(entry.values);
  while (const auto value = values.next()) writer.put(*value);
  if (values.malformed())
    writer.abandon();
  else
    writer.end();
  encode_checked(entry);
}

Read read_in_pieces(std::string_view stream, std::size_t piece) {
  Read read;
  EntryReader reader;
  read.refused = fuzz::refused_by_name("LS-W501 LS-D413", [&] {
    while (!stream.empty()) {
      const std::string fragment(stream.substr(0, piece));  // gone when the next one comes
      stream.remove_prefix(fragment.size());
      reader.feed(fragment);
      while (const auto entry = reader.next()) take(*entry, read);
    }
  });
  return read;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1U;
  const Read whole = read_in_pieces(input.rest(), input.rest().size() + 1);
  const Read pieces = read_in_pieces(input.rest(), piece);
  check(whole.entries == pieces.entries && whole.written == pieces.written &&
            whole.refused == pieces.refused,
        "where a stream is cut changes nothing");
  const Read again = read_in_pieces(whole.written, piece);
  check(!again.refused && again.written == whole.written, "rows that were taken are written again");
  return 0;
}
