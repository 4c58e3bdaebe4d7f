#include "ops/frameworks.hpp"

#include <algorithm>
#include <string_view>

namespace lockstep::ops {

Frameworks frameworks_of(const std::vector<sqlite::TableName>& all) {
  const auto has = [&](std::string_view name) {
    return std::any_of(all.begin(), all.end(),
                       [&](const sqlite::TableName& table) { return table.name == name; });
  };
  return {.django = has("django_migrations") || has("django_content_type"),
          .rails = has("ar_internal_metadata"),
          .alembic = has("alembic_version"),
          .prisma = has("_prisma_migrations")};
}

std::vector<std::string> sentences_of(const Frameworks& found) {
  std::vector<std::string> sentences;
  if (found.django) sentences.emplace_back("Django (django_migrations, django_content_type)");
  if (found.rails) sentences.emplace_back("Rails (schema_migrations, ar_internal_metadata)");
  if (found.alembic) sentences.emplace_back("SQLAlchemy with Alembic (alembic_version)");
  if (found.prisma) sentences.emplace_back("Prisma (_prisma_migrations)");
  return sentences;
}

snapshot::Customs customs_of(const Frameworks& found) {
  // A file that two of them share says nothing of who made a column.
  const bool several = found.prisma && (found.django || found.rails || found.alembic);
  return {.milliseconds = found.prisma && !several,
          .plain_uuids = found.django,
          .six_digits = (found.rails || found.alembic) && !found.django && !found.prisma};
}

Integers integers_of(const Frameworks& found) {
  return customs_of(found).milliseconds ? Integers::milliseconds : Integers::unknown;
}

Integers integers_in(sqlite::Database& database) {
  return integers_of(frameworks_of(sqlite::list_tables(database)));
}

}  // namespace lockstep::ops
