// Capture's part of pairs of queries: what the source answers, in a view that is open at a barrier.
#include "ops/source_verifier.hpp"
#include "verify/query.hpp"

namespace lockstep::ops {

SourceVerifier::Reply SourceVerifier::answer_queries(Job& job) {
  sqlite::Database& source = job.view.database();
  const Deadline deadline(verify::live_patience(source));  // of the view, whatever is asked in it
  wire::QueryAnswers answers{job.wanted.barrier, {}};
  for (const std::string& query : job.wanted.queries) {
    sqlite::ReadGuard guard(source, job.readable, deadline.left());
    answers.answers.push_back(verify::ask_source(source, guard, query));
  }
  return {wire::Kind::query_answers, wire::encode_query_answers(answers)};
}

}  // namespace lockstep::ops
