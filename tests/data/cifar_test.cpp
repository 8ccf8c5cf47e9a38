#include "data/cifar.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "tests/support/temporary_folder.h"

using namespace resgrad;
using namespace resgrad::data;
namespace fs = std::filesystem;

namespace {

std::vector<std::byte> record(const std::vector<int>& labels, int pixel) {
  std::vector<std::byte> bytes;
  for (int label : labels) bytes.push_back(static_cast<std::byte>(label));
  bytes.resize(labels.size() + 3072, static_cast<std::byte>(pixel));
  return bytes;
}

// A file of 10,000 records of zeros of which one label is changed.
void write_batch(const fs::path& file, std::size_t size, std::size_t at = 0, char label = 0) {
  std::ofstream(file, std::ios::binary).seekp(static_cast<std::streamoff>(at)).put(label);
  fs::resize_file(file, size);  // with holes, which are zeros
}

std::string error_of(const auto& f) {
  try {
    f();
  } catch (const IoError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("records give label and planes") {
  Dataset d;
  auto bytes = record({3}, 7);
  bytes[1] = std::byte{11};            // the first red value
  bytes[1 + 2 * 1024] = std::byte{5};  // the first blue one
  append_records(d, bytes, 1, "f");
  append_records(d, record({9}, 1), 1, "f");
  CHECK(d.labels == std::vector<std::uint8_t>{3, 9});
  CHECK(d.image(0)[0] == 11);
  CHECK(d.image(0)[1] == 7);
  CHECK(d.image(0)[2048] == 5);
  CHECK(d.image(1)[0] == 1);
}

TEST_CASE("records of CIFAR-100 count the fine label and check the coarse one") {
  Dataset d{.num_classes = 100};
  append_records(d, record({19, 99}, 0), 2, "f");
  CHECK(d.labels[0] == 99);
  CHECK_THROWS_WITH_AS(append_records(d, record({20, 0}, 0), 2, "f"),
                       "f: record 0: expected a coarse label in [0, 20), got 20", IoError);
}

TEST_CASE("records with a wrong size or label are errors that name the record") {
  Dataset d;
  auto bytes = record({1}, 0);
  bytes.pop_back();
  CHECK_THROWS_WITH_AS(append_records(d, bytes, 1, "data_batch_1.bin"),
                       "data_batch_1.bin: expected a multiple of 3073 bytes, got 3072", IoError);
  auto two = record({1}, 0);
  const auto second = record({10}, 0);
  two.insert(two.end(), second.begin(), second.end());
  CHECK_THROWS_WITH_AS(append_records(d, two, 1, "f"),
                       "f: record 1: expected a label in [0, 10), got 10", IoError);
}

TEST_CASE("load_cifar10 reads a folder or its parent, with names where they are") {
  const TemporaryFolder folder;
  const fs::path inner = folder.path() / "cifar-10-batches-bin";
  fs::create_directories(inner);
  write_batch(inner / "test_batch.bin", 30730000, 3073, 4);
  CHECK(load_cifar10(inner, Split::test).class_names[0] == "airplane");
  std::ofstream(inner / "batches.meta.txt") << "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n";
  for (const fs::path& path : {inner, folder.path()}) {
    const Dataset d = load_cifar10(path, Split::test);
    CHECK(d.size() == 10000);
    CHECK(d.labels[1] == 4);
    CHECK(d.class_names[9] == "j");
  }
}

TEST_CASE("load_cifar10 says what is missing or wrong") {
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  CHECK(error_of([&] { load_cifar10(folder.path() / "no", Split::test); }) ==
        "cifar10: " + path + "/no: expected a folder, found none");
  CHECK(error_of([&] { load_cifar10(folder.path(), Split::test); }) ==
        "cifar10: " + path +
            ": expected test_batch.bin in it or in cifar-10-batches-bin, found none");
  write_batch(folder.path() / "test_batch.bin", 30729999);
  CHECK(error_of([&] { load_cifar10(folder.path(), Split::test); }) ==
        "cifar10: " + path + "/test_batch.bin: expected 30730000 bytes, got 30729999");
  CHECK(error_of([&] { load_cifar10(folder.path(), Split::train); }).find("data_batch_1.bin") !=
        std::string::npos);
  write_batch(folder.path() / "test_batch.bin", 30730000, 3073 * 12, 10);
  CHECK(error_of([&] { load_cifar10(folder.path(), Split::test); }) ==
        "cifar10: " + path + "/test_batch.bin: record 12: expected a label in [0, 10), got 10");
}

TEST_CASE("load_cifar10 joins the five training files in order and needs no test file") {
  const TemporaryFolder folder;
  for (int i = 1; i <= 4; ++i) {
    write_batch(folder.path() / fmt::format("data_batch_{}.bin", i), 30730000, 0,
                static_cast<char>(i));
  }
  const std::string error = error_of([&] { load_cifar10(folder.path(), Split::train); });
  CAPTURE(error);
  CHECK(error.find("data_batch_5.bin: expected a file, got: ") != std::string::npos);
  write_batch(folder.path() / "data_batch_5.bin", 30730000, 0, 5);
  const Dataset d = load_cifar10(folder.path(), Split::train);
  REQUIRE(d.size() == 50000);
  for (std::size_t i = 0; i < 5; ++i) CHECK(d.labels[10000 * i] == i + 1);
  CHECK(std::ssize(d.images) == d.size() * d.image_bytes());
}

TEST_CASE("class names that are not one per class are not used") {
  const TemporaryFolder folder;
  write_batch(folder.path() / "test_batch.bin", 30730000);
  std::ofstream(folder.path() / "batches.meta.txt") << "a\nb\n";
  CHECK(load_cifar10(folder.path(), Split::test).class_names[0] == "airplane");
}

TEST_CASE("load_cifar100 reads fine labels and names") {
  const TemporaryFolder folder;
  write_batch(folder.path() / "test.bin", 10000 * 3074, 1, 42);
  const Dataset d = load_cifar100(folder.path(), Split::test);
  CHECK(d.size() == 10000);
  CHECK(d.num_classes == 100);
  CHECK(d.labels[0] == 42);
  CHECK(d.class_names[42] == "leopard");
  CHECK(error_of([&] { load_cifar100(folder.path(), Split::train); }) ==
        "cifar100: " + folder.path().string() +
            ": expected train.bin in it or in cifar-100-binary, found none");
  write_batch(folder.path() / "test.bin", 10000 * 3074, 7 * 3074 + 1, 100);
  CHECK(error_of([&] { load_cifar100(folder.path(), Split::test); }) ==
        "cifar100: " + (folder.path() / "test.bin").string() +
            ": record 7: expected a label in [0, 100), got 100");
  std::string names;
  for (int c = 0; c < 100; ++c) names += fmt::format("name{}\n", c);
  std::ofstream(folder.path() / "fine_label_names.txt") << names;
  write_batch(folder.path() / "test.bin", 10000 * 3074);
  CHECK(load_cifar100(folder.path(), Split::test).class_names[99] == "name99");
}

TEST_CASE("a file of CIFAR-10 that is not the published one is read with a warning") {
  const TemporaryFolder folder;
  write_batch(folder.path() / "test_batch.bin", 30730000);
  const Dataset d = load_cifar10(folder.path(), Split::test);
  REQUIRE(d.warnings.size() == 1);
  // head -c 30730000 /dev/zero | md5sum
  CHECK(
      d.warnings[0] ==
      "cifar10: " + folder.path().string() +
          "/test_batch.bin: expected the published file with md5 803d5f7f4d78ea53de84dbe85f74fb6d, "
          "got one with 229a4f9bbbc879e7371f2391ac1f4775");
  for (int i = 1; i <= 5; ++i) {
    write_batch(folder.path() / fmt::format("data_batch_{}.bin", i), 30730000);
  }
  CHECK(load_cifar10(folder.path(), Split::train).warnings.size() == 5);
}
