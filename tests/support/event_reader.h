// A reader of TensorBoard's event files that shares nothing with the writer: records with their
// lengths and checksums, then protobuf fields by number.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace resgrad::testing {

struct Event {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version;
  bool session_start = false;
  std::map<std::string, float> scalars;
};

namespace event_reader {

// CRC-32C bit by bit, masked as TFRecord wants it.
inline std::uint32_t masked_crc(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::uint32_t carry = (crc ^ static_cast<std::uint32_t>(byte >> bit)) & 1;
      crc = (crc >> 1) ^ (carry != 0 ? 0x82f63b78 : 0);
    }
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  std::string_view take(std::uint64_t n) {
    REQUIRE_LE(n, rest_.size());
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(n));
    rest_.remove_prefix(static_cast<std::size_t>(n));
    return taken;
  }
  template <class T>
  T fixed() {  // on a little-endian machine
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      REQUIRE_LT(shift, 64);
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

 private:
  std::string_view rest_;
};

// One field: its number and wire type, and the value that this type has.
struct Field {
  std::uint64_t number, wire;
  std::uint64_t integer = 0;
  std::string_view bytes = {};  // of types 1, 2 and 5
};

inline std::vector<Field> fields(std::string_view message) {
  std::vector<Field> all;
  for (Bytes bytes(message); !bytes.empty();) {
    const std::uint64_t key = bytes.varint();
    Field field{key >> 3, key & 7};
    switch (field.wire) {
      case 0:
        field.integer = bytes.varint();
        break;
      case 1:
        field.bytes = bytes.take(8);
        break;
      case 2:
        field.bytes = bytes.take(bytes.varint());
        break;
      case 5:
        field.bytes = bytes.take(4);
        break;
      default:
        FAIL("a wire type that is not in use: ", field.wire);
    }
    all.push_back(field);
  }
  return all;
}

inline void add_value(Event& event, std::string_view message) {
  std::string tag;
  float value = 0;
  for (const Field& field : fields(message)) {
    if (field.number == 1 && field.wire == 2) {
      tag = field.bytes;
    } else if (field.number == 2 && field.wire == 5) {
      value = Bytes(field.bytes).fixed<float>();
    } else {
      FAIL("an unknown field of a summary value: ", field.number);
    }
  }
  CHECK_FALSE(tag.empty());
  CHECK_MESSAGE(event.scalars.emplace(tag, value).second, tag);
}

inline Event parse(std::string_view message) {
  Event event;
  for (const Field& field : fields(message)) {
    if (field.number == 1 && field.wire == 1) {
      event.wall_time = Bytes(field.bytes).fixed<double>();
    } else if (field.number == 2 && field.wire == 0) {
      event.step = static_cast<std::int64_t>(field.integer);
    } else if (field.number == 3 && field.wire == 2) {
      event.file_version = field.bytes;
    } else if (field.number == 5 && field.wire == 2) {
      for (const Field& value : fields(field.bytes)) add_value(event, value.bytes);
    } else if (field.number == 7 && field.wire == 2) {
      const std::vector<Field> session = fields(field.bytes);
      REQUIRE_EQ(session.size(), 1);
      event.session_start = session[0].number == 1 && session[0].integer == 1;
    } else {
      FAIL("an unknown field of an event: ", field.number);
    }
  }
  return event;
}

}  // namespace event_reader

/// The events of a file, whose first must be its version.
inline std::vector<Event> read_events(std::string_view contents) {
  std::vector<Event> events;
  for (event_reader::Bytes bytes(contents); !bytes.empty();) {
    const std::string_view length = bytes.take(8);
    CHECK_EQ(bytes.fixed<std::uint32_t>(), event_reader::masked_crc(length));
    const std::string_view data = bytes.take(event_reader::Bytes(length).fixed<std::uint64_t>());
    CHECK_EQ(bytes.fixed<std::uint32_t>(), event_reader::masked_crc(data));
    events.push_back(event_reader::parse(data));
  }
  REQUIRE_FALSE(events.empty());
  CHECK_EQ(events[0].file_version, "brain.Event:2");
  return events;
}

}  // namespace resgrad::testing
