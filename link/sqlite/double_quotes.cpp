#include "link/sqlite/double_quotes.hpp"

#include <sqlite3.h>

namespace lockstep::sqlite {

DoubleQuotedStrings::DoubleQuotedStrings(Database& database) : database_(database) {
  sqlite3_db_config(database_.handle(), SQLITE_DBCONFIG_DQS_DML, 1, nullptr);
}

DoubleQuotedStrings::~DoubleQuotedStrings() {
  sqlite3_db_config(database_.handle(), SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
}

}  // namespace lockstep::sqlite
