// The catalogue of gradient checks is complete: an operation that is declared in core/ops and has
// no case is an error.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "core/catalogue/gradcheck_cases.h"

using namespace resgrad;

namespace {

// The functions that a header declares at the start of a line as returning a Tensor.
std::set<std::string> declared_ops(const std::filesystem::path& header) {
  std::ifstream file(header);
  std::set<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("inline ")) line.erase(0, 7);
    if (!line.starts_with("Tensor ")) continue;
    const std::string name = line.substr(7, line.find('(') - 7);
    // sum_to_shape is not recorded: it is part of the gradients
    if (name != "sum_to_shape" && !name.starts_with("operator")) names.insert(name);
  }
  return names;
}

}  // namespace

TEST_CASE("every operation of core/ops has a gradient check") {
  std::set<std::string> covered = {"eq"};  // which is not recorded
  for (const GradcheckCase& c : op_gradcheck_cases()) covered.insert(c.op);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(RESGRAD_OPS_DIR)) {
    const std::string stem = entry.path().stem().string();
    // the checks, the parts that operations share, and what has no gradient
    if (entry.path().extension() != ".cpp" || stem == "require" || stem.ends_with("_passes") ||
        stem == "axes" || stem == "batch_norm_sync" || stem == "prepared_conv2d")
      continue;
    CAPTURE(entry.path().filename().string());
    ++files;
    std::filesystem::path header = entry.path();
    const std::set<std::string> ops = declared_ops(header.replace_extension(".h"));
    CHECK_FALSE(ops.empty());
    for (const std::string& op : ops) {
      CAPTURE(op);
      CHECK(covered.count(op) == 1);
    }
  }
  CHECK(files >= 9);
}

TEST_CASE("the names of the cases differ and begin with the operation") {
  std::set<std::string> names;
  for (const GradcheckCase& c : op_gradcheck_cases()) {
    CAPTURE(c.name);
    CHECK(names.insert(c.name).second);
    CHECK(c.name.starts_with(c.op));
  }
}
