#include "train/run_options.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

using namespace resgrad;

TEST_CASE("a network is told as it was asked for") {
  CHECK(describe(NetworkOptions{}) == "resnet20");
  CHECK(describe(NetworkOptions{.model = "resnet18", .groups = "4", .stem_channels = "8"}) ==
        "resnet18 with groups=4 stem_channels=8");
}

TEST_CASE("every setting of a run has a row of its own, with what help needs") {
  RunOptions options;
  std::set<std::string_view> names;
  for (const Setting& row : settings(options)) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    // the words for the fields of a network come from the layer that knows them
    const bool is_field = std::ranges::find(kNetworkFields, row.name, &NetworkField::name) !=
                          std::end(kNetworkFields);
    CHECK(row.help.empty() == is_field);
    CHECK_FALSE(row.help.ends_with('.'));
  }
}

TEST_CASE("defaults lie within the limits of their settings") {
  RunOptions options;
  for (Setting& row : settings(options)) {
    CAPTURE(row.name);
    const auto value = json_value(row);
    if (is_empty_text(value)) continue;  // left to the network or the machine
    assign(row, value);
    CHECK(json_value(row) == value);
  }
}

TEST_CASE("README names every setting of a run") {
  std::ostringstream text;
  text << std::ifstream(RESGRAD_SOURCE_DIR "/README.md").rdbuf();
  const std::string readme = text.str();
  RunOptions options;
  for (const Setting& row : settings(options)) {
    CAPTURE(row.name);
    const auto named = [&](const std::string& flag) {
      return readme.find('`' + flag + '`') != std::string::npos ||
             readme.find('`' + flag + ' ') != std::string::npos;
    };
    CHECK((named("--" + std::string(row.name)) || named(std::string(row.also))));
  }
}
