// What the tests of training runs look at, and how they stop a run.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

#include "core/autograd/observer.h"
#include "nn/module.h"

namespace resgrad {

inline std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// metrics.csv without its last two columns, the times.
inline std::string without_times(const std::filesystem::path& file) {
  std::istringstream in(text_of(file));
  std::string out;
  for (std::string line; std::getline(in, line);) {
    line.erase(line.find_last_of(','));
    out += line.substr(0, line.find_last_of(',')) + "\n";
  }
  return out;
}

inline bool same_tensors(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  return std::ranges::equal(a, b, [](const NamedTensor& x, const NamedTensor& y) {
    return x.name == y.name && x.tensor.to_vector<double>() == y.tensor.to_vector<double>();
  });
}

// Requests a stop when so many batches went through the one linear layer of a network in training.
// Not by looking at calls of modules, which keeps them from joining their work: such a run would
// evaluate with other last digits than one unseen.
class StopAfter final : public WorkObserver {
 public:
  explicit StopAfter(int batches) : left_(batches) {
    if (batches == 0) source_.request_stop();
  }
  std::stop_token token() const { return source_.get_token(); }
  void done(const Work& work) override {
    if (work.name == "linear" && work.phase == "forward" && --left_ == 0) {
      source_.request_stop();
    }
  }

 private:
  std::stop_source source_;
  int left_;
};

}  // namespace resgrad
