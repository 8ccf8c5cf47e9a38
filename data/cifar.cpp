#include "data/cifar.h"

#include <fstream>
#include <future>

#include "core/check.h"
#include "data/cifar_folder.h"
#include "data/class_names.h"
#include "data/md5.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr int kCoarseClasses = 20;

std::vector<std::byte> read_exactly(const std::string& op, const fs::path& file,
                                    std::uintmax_t size) {
  std::error_code error;
  const std::uintmax_t actual = fs::file_size(file, error);
  require<IoError>(!error, "{}: {}: expected a file, got: {}", op, file.string(), error.message());
  require<IoError>(actual == size, "{}: {}: expected {} bytes, got {}", op, file.string(), size,
                   actual);
  std::vector<std::byte> bytes(size);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  require<IoError>(in.good(), "{}: {}: expected to read {} bytes, got {}", op, file.string(), size,
                   in.gcount());
  return bytes;
}

// The lines of a file of names, or `fallback` unless there are as many as classes.
std::vector<std::string> names_in(const fs::path& file, const std::vector<std::string>& fallback) {
  std::ifstream in(file);
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names.size() == fallback.size() ? names : fallback;
}

// The files of one split of one version of CIFAR and how they are made up.
struct Source {
  CifarLayout layout;
  std::vector<std::string> files;
  std::int64_t images_per_file, label_bytes;
  std::vector<std::string> md5s = {};  // of the files, where they are published
};

void append_files(Dataset& dataset, const fs::path& folder, const Source& source) {
  const std::int64_t images = std::ssize(source.files) * source.images_per_file;
  const std::int64_t record = source.label_bytes + dataset.image_bytes();
  dataset.images.reserve(static_cast<std::size_t>(images * dataset.image_bytes()));
  dataset.labels.reserve(static_cast<std::size_t>(images));
  for (std::size_t i = 0; i < source.files.size(); ++i) {
    const fs::path file = folder / source.files[i];
    const auto bytes = read_exactly(source.layout.op, file,
                                    static_cast<std::uintmax_t>(source.images_per_file * record));
    // beside the copying, since it takes longer than all else here; after it where no thread starts
    std::future<std::string> sum;
    if (!source.md5s.empty()) sum = std::async([&] { return md5(bytes); });
    append_records(dataset, bytes, source.label_bytes,
                   fmt::format("{}: {}", source.layout.op, file.string()));
    if (!sum.valid()) continue;
    const std::string actual = sum.get();
    if (actual == source.md5s[i]) continue;
    dataset.warnings.push_back(
        fmt::format("{}: {}: expected the published file with md5 {}, got one with {}",
                    source.layout.op, file.string(), source.md5s[i], actual));
  }
}

}  // namespace

void append_records(Dataset& dataset, std::span<const std::byte> bytes, std::int64_t label_bytes,
                    const std::string& file) {
  require<ValueError>(label_bytes >= 1, "{}: label_bytes: expected at least 1, got {}", file,
                      label_bytes);
  const auto labels = static_cast<std::size_t>(label_bytes);
  const std::size_t record = labels + static_cast<std::size_t>(dataset.image_bytes());
  require<IoError>(bytes.size() % record == 0, "{}: expected a multiple of {} bytes, got {}", file,
                   record, bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += record) {
    const auto label = std::to_integer<int>(bytes[at + labels - 1]);
    require<IoError>(label < dataset.num_classes,
                     "{}: record {}: expected a label in [0, {}), got {}", file, at / record,
                     dataset.num_classes, label);
    if (label_bytes == 2) {
      const auto coarse = std::to_integer<int>(bytes[at]);
      require<IoError>(coarse < kCoarseClasses,
                       "{}: record {}: expected a coarse label in [0, {}), got {}", file,
                       at / record, kCoarseClasses, coarse);
    }
    dataset.labels.push_back(static_cast<std::uint8_t>(label));
    const auto* image = reinterpret_cast<const std::uint8_t*>(bytes.data() + at + labels);
    dataset.images.insert(dataset.images.end(), image, image + dataset.image_bytes());
  }
}

Dataset load_cifar10(const fs::path& folder, Split split) {
  Source source{.layout = {.op = "cifar10",
                           .binary_folder = "cifar-10-batches-bin",
                           .python_files = {"batches.meta", "data_batch_1", "test_batch"}},
                .files = {"test_batch.bin"},
                .images_per_file = 10000,
                .label_bytes = 1,
                .md5s = {"803d5f7f4d78ea53de84dbe85f74fb6d"}};
  if (split == Split::train) {
    source.files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                    "data_batch_5.bin"};
    source.md5s = {"5dd7e06a14cb22eb9f671a540d1b7c25", "5ea93a67294ea407fff1d09f752e9692",
                   "942cd6a4bcdd0dd3c604fbe906cb4421", "ae636b3ba5c66a11e91e8cb52e771fcb",
                   "53f37980c15c3d472c316c40844f3f0d"};
  }
  const fs::path at = find_cifar(source.layout, folder, source.files[0]);
  Dataset dataset{.name = "cifar10"};
  dataset.class_names =
      names_in(at / "batches.meta.txt", class_names(dataset.name, dataset.num_classes));
  append_files(dataset, at, source);
  return dataset;
}

Dataset load_cifar100(const fs::path& folder, Split split) {
  const bool test = split == Split::test;
  const Source source{.layout = {.op = "cifar100",
                                 .binary_folder = "cifar-100-binary",
                                 .python_files = {"meta", "train", "test"}},
                      .files = {test ? "test.bin" : "train.bin"},
                      .images_per_file = test ? 10000 : 50000,
                      .label_bytes = 2};
  const fs::path at = find_cifar(source.layout, folder, source.files[0]);
  Dataset dataset{
      .name = "cifar100", .images = {}, .labels = {}, .num_classes = 100, .class_names = {}};
  dataset.class_names =
      names_in(at / "fine_label_names.txt", class_names(dataset.name, dataset.num_classes));
  append_files(dataset, at, source);
  return dataset;
}

}  // namespace resgrad::data
