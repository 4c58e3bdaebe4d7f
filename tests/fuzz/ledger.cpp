// What ledger and source keep as text: plans, cursors, positions, eras, numerics, keys of a
// comparison.
#include <vector>

#include "link/postgres/numeric.hpp"
#include "link/wire/control.hpp"
#include "model/position.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "verify/digest.hpp"

namespace {
using namespace lockstep;

void plan(std::string_view text) {
  fuzz::refused_by_name("LS-W504", [&] {
    const TablePlan once = wire::decode_plan(text);
    const TablePlan again = wire::decode_plan(wire::encode_plan(once));
    check(fingerprint(again.shape) == fingerprint(once.shape) && again.types == once.types,
          "a plan comes back as it was kept");
    for (const std::size_t column : once.shape.key)
      check(column < once.shape.columns.size(), "a key names columns of its table");
    check(once.types.size() == once.shape.columns.size(), "every column has its type");
    for (const Index& index : once.shape.indexes)
      for (const IndexTerm& term : index.terms)
        check(!term.column || *term.column < once.shape.columns.size(),
              "an index names columns of its table");
  });
}

void key(std::string_view text) {
  fuzz::refused_by_name("LS-W504", [&] {
    const std::vector<Value> once = wire::decode_key(text);
    const std::vector<Value> again = wire::decode_key(wire::encode_key(once));
    check(again.size() == once.size(), "a cursor has as many values as before");
    for (std::size_t i = 0; i < once.size(); ++i)
      check(same_value(once[i].view(), again[i].view()), "a cursor's values are exact");
  });
}

void position(std::string_view text) {
  if (const auto found = parse_position(text))
    check(parse_position(to_string(*found)) == found, "a position comes back as it was printed");
  if (const auto era = parse_era(text))
    check(parse_era(to_string(*era)) == era, "an era comes back as it was printed");
}

void numeric(std::string_view bytes) {
  const Value value = postgres::decode_numeric(bytes);
  if (value.kind != ValueClass::integer && value.kind != ValueClass::real) return;
  check(postgres::fits_numeric(value.view()), "a number that is read can be written");
  std::string written;
  postgres::append_numeric(written, value.view());
  check(same_value(postgres::decode_numeric(written).view(), value.view()), "and is the same");
}

void canonical_key(std::string_view bytes) {
  fuzz::refused_by_name("LS-W504", [&] {
    const verify::Key once = verify::parse_key_bytes(bytes);
    check(verify::key_bytes(once) == bytes, "canonical bytes have one form");
  });
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.byte() % 5) {
    case 0:
      plan(input.rest());
      break;
    case 1:
      key(input.rest());
      break;
    case 2:
      position(input.rest());
      break;
    case 3:
      numeric(input.rest());
      break;
    default:
      canonical_key(input.rest());
  }
  return 0;
}
