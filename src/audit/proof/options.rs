//! What options accept, and logs that are whole in several parts or without their head or end.

use super::*;

#[test]
fn what_shippers_do_to_lines_is_clean() {
    let workload = simulate::workload(7, 4, 50);
    for json in [false, true] {
        let entries = simulate::run(&workload, &course(1, json, None), &mut Dice(5));
        for layer in LAYERS {
            let mut log = String::new();
            for line in lines_of(&entries) {
                log += &layer(line, 42);
                log.push('\n');
            }
            assert_clean(&audit(&config(log.clone().into_bytes())), &log[..300]);
        }
    }
}

/// A whole log in the form of a document that holds it.
type Document = fn(&[String]) -> String;

fn in_html(line: &str) -> String {
    let line = line.replace('&', "&amp;").replace('<', "&lt;");
    line.replace('>', "&gt;").replace('"', "&quot;")
}

/// A line as the cell of a table.
fn cell(line: &str) -> String {
    match line.contains('"') {
        true => format!("\"{}\"", line.replace('"', "\"\"")),
        false => line.into(),
    }
}

fn quoted(line: &String) -> String {
    serde_json::json!(line).to_string()
}

/// Documents, many of them in one line.
const DOCUMENTS: [(&str, Document); 49] = [
    ("a stream in pieces", |lines| {
        let mut pieces = String::new();
        for piece in lines.join("\r\n").as_bytes().chunks(700) {
            let piece = String::from_utf8_lossy(piece);
            pieces += &serde_json::json!({"event": "out", "output": piece}).to_string();
            pieces.push('\n');
        }
        pieces
    }),
    ("rows with a line twice", |lines| {
        let row = |line: &String| format!("n1,{},{}\n", cell(line), cell(line));
        lines.iter().map(row).collect()
    }),
    ("rows with a line and its beginning", |lines| {
        let row = |line: &String| format!("{:.70}...,{line}\n", line);
        lines.iter().map(row).collect()
    }),
    ("a string of lines behind brackets", |lines| {
        let line = |line: &String| format!("[at@1 by=\"me\"] {line}\n");
        serde_json::json!({"log": lines.iter().map(line).collect::<String>()}).to_string()
    }),
    ("a queue's items, each with many lines in base64", |lines| {
        let item = |lines: &[String]| {
            let code = data_encoding::BASE64.encode((lines.join("\n") + "\n").as_bytes());
            format!("{{\"Data\":\"{code}\",\"Key\":\"k\"}}\n")
        };
        lines.chunks(5).map(item).collect()
    }),
    ("numbered with blanks in front", |lines| {
        let item = |(line, n)| format!("{n:>4}) 1) \"{n}-0\"\n      2) {}\n", quoted(line));
        lines.iter().zip(1..).map(item).collect()
    }),
    ("pages with a heading", |lines| {
        let pages = lines.chunks(14);
        let pages = pages.map(|page| format!("\nLINE\n{}\n{}\n", "-".repeat(80), page.join("\n")));
        pages.collect::<String>() + "\x1a"
    }),
    ("one string", |lines| {
        serde_json::json!({"output": lines.join("\n")}).to_string()
    }),
    ("a step's output", |lines| {
        serde_json::json!([{"message": lines.join("\r\n"), "type": "out"}]).to_string()
    }),
    ("a line beside its fields", |lines| {
        let row = |line: &String| {
            let mut fields = taken_out(line);
            let mut words = line
                .split(" run=")
                .next()
                .unwrap_or(line)
                .split_whitespace();
            for name in ["timestamp", "level", "thread"].map(String::from) {
                fields.entry(name).or_insert(words.next().into());
            }
            let message = words.collect::<Vec<_>>().join(" ");
            fields.entry("message").or_insert(message.into());
            fields.insert("_raw".into(), line.as_str().into());
            fields
        };
        serde_json::json!({"results": lines.iter().map(row).collect::<Vec<_>>()}).to_string()
    }),
    ("XML's attributes", |lines| {
        let rows = lines
            .iter()
            .map(|line| format!("<row line=\"{}\"/>", in_html(line)));
        rows.collect()
    }),
    ("as HTML and as text", |lines| {
        let entry = |line: &String| serde_json::json!({"log": in_html(line), "unstyledLog": line, "date": 1_795_455_720_123_u64});
        serde_json::json!({"logEntry": lines.iter().map(entry).collect::<Vec<_>>()}).to_string()
    }),
    ("HTML", |lines| {
        let cells = lines.iter().map(|line| in_html(line)).collect::<Vec<_>>();
        format!("<pre>{}</pre>", cells.join("<br>"))
    }),
    ("a table in HTML", |lines| {
        let rows = lines
            .iter()
            .map(|line| format!("<tr><td>{}</td></tr>\n", in_html(line)));
        format!("<table>\n{}</table>\n", rows.collect::<String>())
    }),
    ("XML in one line", |lines| {
        let lines = lines.iter().map(|line| format!("<e>{}</e>", in_html(line)));
        format!("<log>{}</log>", lines.collect::<String>())
    }),
    ("a database's dump", |lines| {
        let escaped = lines
            .iter()
            .map(|line| line.replace('\\', "\\\\").replace('"', "\\\""));
        let rows = escaped
            .map(|line| format!("(1,'{line}')"))
            .collect::<Vec<_>>();
        format!("INSERT INTO `logs` VALUES {};\n", rows.join(","))
    }),
    ("a database's table", |lines| {
        let rows = lines.iter().map(|line| format!("  1 | {line}\n"));
        let rows = rows.collect::<String>();
        format!(
            " id |  line \n----+------\n{rows}({} rows)\n\n",
            lines.len()
        )
    }),
    ("a database's records", |lines| {
        let rows = lines
            .iter()
            .map(|line| format!("-[ RECORD 1 ]-\nid   | 7\nline | {line}\n"));
        rows.collect()
    }),
    ("a fence", |lines| {
        format!("```\n{}\n```\n", lines.join("\n"))
    }),
    ("an object's fields in lines", |lines| {
        let fields = lines
            .iter()
            .map(|line| format!("\nMessage : {line}\nHost    : h\n"));
        fields.collect()
    }),
    ("a value and null", |lines| {
        let values = lines
            .iter()
            .map(|line| format!("{}\nnull\n", serde_json::json!(line)));
        values.collect::<String>() + "Nov 23 17:42:00 h last message repeated 3 times\n"
    }),
    ("a table in Markdown", |lines| {
        let rows = lines.iter().map(|line| format!("| 1 | {line} |\n"));
        format!("| n | line |\n|---|------|\n{}", rows.collect::<String>())
    }),
    ("a terminal's recording", |lines| {
        let events = lines.chunks(3).map(|lines| {
            let shown = lines.join("\r\n") + "\r\n";
            format!("{}\n", serde_json::json!([0.5, "o", shown]))
        });
        let head = "{\"version\": 2, \"width\": 80, \"height\": 24}\n".to_owned();
        head + &events.collect::<String>()
    }),
    ("a form", |lines| {
        let encoded = lines.iter().map(|line| {
            let line = line
                .replace('%', "%25")
                .replace('=', "%3D")
                .replace('"', "%22");
            line.replace('+', "%2B")
                .replace(':', "%3A")
                .replace(' ', "+")
        });
        encoded.map(|line| format!("log={line}\n")).collect()
    }),
    ("a URL", |lines| {
        let encoded = lines.iter().map(|line| {
            let line = line
                .replace('%', "%25")
                .replace('=', "%3D")
                .replace('"', "%22");
            line.replace('{', "%7B")
                .replace(':', "%3A")
                .replace(' ', "%20")
        });
        encoded
            .map(|line| format!("GET /log?m={line} HTTP/1.1\n"))
            .collect()
    }),
    ("coloured matches", |lines| {
        let worker = "\u{1b}[01;31m\u{1b}[KWorker\u{1b}[m\u{1b}[K";
        lines.join("\n").replace("Worker", worker) + "\n"
    }),
    ("fields beside the line", |lines| {
        let events = lines.iter().map(|line| {
            let mut event = taken_out(line);
            event.retain(|name, _| !matches!(&name[..], "message" | "thread"));
            event.insert("message".into(), line.as_str().into());
            format!("{}\n", serde_json::Value::Object(event))
        });
        events.collect()
    }),
    ("labels in front of the line", |lines| {
        let labelled = lines.iter().map(|line| {
            let labels = taken_out(line).into_iter();
            let labels: Vec<String> = labels.map(|(k, v)| format!("{k}={v}")).collect();
            format!("2026-11-23T17:42:00Z {{{}}} {line}\n", labels.join(", "))
        });
        labelled.collect()
    }),
    ("the line under three keys", |lines| {
        let hits = lines.iter().map(|line| {
            let fields = serde_json::json!({"message": [line], "message.keyword": [line]});
            let hit = serde_json::json!({"_source": {"message": line}, "fields": fields});
            format!("{hit}\n")
        });
        hits.collect()
    }),
    ("a list of fields and values", |lines| {
        let field = |name: &str, value| serde_json::json!({"field": name, "value": value});
        let results = lines.iter().map(|line| {
            let fields = taken_out(line).into_iter();
            let fields = fields.map(|(k, v)| field(&format!("line.{k}"), v));
            let message = field("@message", line.as_str().into());
            [message].into_iter().chain(fields).collect::<Vec<_>>()
        });
        serde_json::json!({ "results": results.collect::<Vec<_>>() }).to_string()
    }),
    ("documents behind a time", |lines| {
        let documents = lines.iter().map(|line| {
            let document = serde_json::from_str::<serde_json::Value>(line);
            let document = document.unwrap_or_else(|_| serde_json::json!({ "log": line }));
            format!("2026-11-23T17:42:00.1Z app {document:#}\n")
        });
        documents.collect()
    }),
    ("a logger of two lines", |lines| {
        let logged = lines.iter().zip(1..);
        let logged =
            logged.map(|(line, n)| format!("Nov {n}, 2026 17:42:00 AM App run\nINFO: {line}\n"));
        logged.collect()
    }),
    ("a table with lines around it", |lines| {
        let rows = lines.iter().map(|line| format!("│ 1 │ {line} │\n"));
        let rows = rows.collect::<String>();
        format!("┌───┬──────┐\n│ n │ line │\n├───┼──────┤\n{rows}└───┴──────┘\n")
    }),
    ("a terminal's other sequences", |lines| {
        let shown = lines.iter().map(|line| {
            let (front, rest) = line.split_at(30);
            format!("\u{1b}_bk;t=1\u{7}\u{1b}[2m{front}\u{1b}(B\u{1b}[m\u{1b}_bk;t=2\u{7}{rest}\n")
        });
        shown.collect()
    }),
    ("quotes as .NET writes them", |lines| {
        let events = lines.iter().map(|line| {
            let line = line.replace('\\', "\\\\").replace('"', "\\u0022");
            format!("{{\"Message\":\"{line}\",\"State\":{{\"Line\":\"{line}\"}}}}\n")
        });
        events.collect()
    }),
    ("labels around lists of lines", |lines| {
        let streams = lines
            .iter()
            .map(|line| serde_json::json!({"stream": taken_out(line), "values": [["1", line]]}));
        serde_json::json!({"result": streams.collect::<Vec<_>>()}).to_string()
    }),
    ("an output and its lines", |lines| {
        let output = serde_json::json!({"stdout": lines.join("\n"), "stdout_lines": lines});
        serde_json::to_string_pretty(&output).unwrap()
    }),
    ("a copy with marks", |lines| {
        let copied = lines.iter().map(|line| {
            let marked = line.replacen("run", "<em>run</em>", 1);
            serde_json::json!({"source": {"message": line}, "highlight": {"message": [marked]}})
        });
        copied.map(|hit| format!("{hit}\n")).collect()
    }),
    ("lines under a name", |lines| {
        let lines = lines.iter().map(|line| format!("    {line}\n"));
        format!("minion-1:\n{}", lines.collect::<String>())
    }),
    ("a terminal's output in pieces", |lines| {
        let output = (lines.join("\r\n") + "\r\n").into_bytes();
        let pieces = output.chunks(1000).map(String::from_utf8_lossy);
        let events = pieces.map(|piece| format!("[0.25, \"o\", {}]\n", serde_json::json!(piece)));
        format!(
            "{{\"version\": 2, \"width\": 80}}\n{}",
            events.collect::<String>()
        )
    }),
    ("times in the form of another place", |lines| {
        let other = |line: &String| {
            let at = line.find("2026-").unwrap_or(0);
            let (front, rest) = line.split_at(at);
            format!("{front}{} {},{}\n", &rest[..10], &rest[11..19], &rest[20..])
        };
        lines.iter().map(other).collect()
    }),
    ("curly quotes", |lines| {
        let lines = lines
            .iter()
            .map(|line| line.replace('"', "\u{201d}") + "\n");
        lines.collect()
    }),
    ("mail", |lines| {
        let encoded = lines.iter().map(|line| line.replace('=', "=3D"));
        let wrapped = encoded.map(|line| {
            let pieces = line.as_bytes().chunks(75);
            let pieces = pieces.map(|piece| String::from_utf8_lossy(piece).into_owned());
            pieces.collect::<Vec<_>>().join("=\r\n") + "\r\n"
        });
        wrapped.collect()
    }),
    ("a colour for each word", |lines| {
        let coloured = lines.iter().map(|line| {
            format!(
                "\u{1b}[36m{}\u{1b}[0m\n",
                line.replace(' ', "\u{1b}[0m \u{1b}[36m")
            )
        });
        coloured.collect()
    }),
    ("colours without their escape", |lines| {
        let coloured = lines.iter().map(|line| {
            let at = line.find('Z').unwrap_or(0) + 1;
            format!("[2m{}[0m{}\n", &line[..at], &line[at..])
        });
        coloured.collect()
    }),
    ("messages and their blocks", |lines| {
        let messages = lines.iter().map(|line| {
            serde_json::json!({"text": format!("```{line}```"), "blocks": [{"elements": [{"text": line}]}]})
        });
        serde_json::json!({"ok": true, "messages": messages.collect::<Vec<_>>()}).to_string()
    }),
    ("messages in full and short, more than a block", |lines| {
        let much = "annotation ".repeat(300);
        let messages = lines.iter().map(|line| {
            serde_json::json!({"_id": much, "message": {"full_message": line, "message": line}, "index": 1})
        });
        serde_json::json!({"query": "*", "messages": messages.collect::<Vec<_>>()}).to_string()
    }),
    ("lines with their beginnings behind them", |lines| {
        let rows = lines.iter().map(|line| {
            let summary = format!("{}...", &line[..line.len().min(60)]);
            format!(
                "{}\n",
                serde_json::json!({"message": line, "summary": summary})
            )
        });
        rows.collect()
    }),
    ("much behind the line", |lines| {
        let much = "annotation ".repeat(3000);
        lines
            .iter()
            .map(|line| format!("{line} {much}\n"))
            .collect()
    }),
];

/// What a pipeline takes out of a line: its fields.
fn taken_out(line: &str) -> serde_json::Map<String, serde_json::Value> {
    let pairs = || line.split(' ').filter_map(|word| word.split_once('='));
    let pairs = || {
        pairs()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    };
    let fields: Option<serde_json::Map<_, _>> = serde_json::from_str(line).ok();
    let fields = fields.unwrap_or_else(pairs).into_iter();
    let text = |value: serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
    fields
        .map(|(name, value)| (name, text(value).into()))
        .collect()
}

fn lines_of(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| String::from_utf8(entry.bytes.clone()).unwrap();
    entries.iter().map(text).collect()
}

#[test]
fn documents_that_hold_a_log_are_read_line_by_line() {
    let workload = simulate::workload(7, 4, 50);
    for json in [false, true] {
        let entries = simulate::run(&workload, &course(1, json, None), &mut Dice(5));
        let mut lines = lines_of(&entries);
        for (name, document) in DOCUMENTS {
            assert_clean(&audit(&config(document(&lines).into_bytes())), name);
        }
        lines.remove(lines.len() / 2);
        for (name, document) in DOCUMENTS {
            let verdict = audit(&config(document(&lines).into_bytes()));
            let lost = Counts {
                lost: 1,
                ..Counts::default()
            };
            let found = (verdict.runs[0].counts, verdict.stray_count);
            assert_eq!(found, (lost, 0), "{name}: {}", report(&verdict));
        }
    }
}

/// Documents that are longer than what is read at once.
const LONG_DOCUMENTS: [(&str, Document); 5] = [
    ("a name within the same name", |lines| {
        let row =
            |line: &String| format!("{{\"host\":{{\"host\":1}},\"value\":{}}}\n", quoted(line));
        lines.iter().map(row).collect()
    }),
    ("JSON in JSON in JSON", |lines| {
        let inner = serde_json::json!({"log": lines.join("\n")}).to_string();
        serde_json::json!({ "log": inner }).to_string()
    }),
    ("HTML in JSON", |lines| {
        serde_json::json!({"page": in_html(&lines.join("\n"))}).to_string()
    }),
    ("a long string among other keys", |lines| {
        let document =
            serde_json::json!({"data": {"app.log": lines.join("\n")}, "kind": "ConfigMap"});
        serde_json::to_string_pretty(&document).unwrap()
    }),
    ("pieces with another stream between", |lines| {
        let row = |line: &String| {
            let (first, last) = line.split_at(60);
            let time = "2026-11-23T17:42:00.1Z";
            format!("{time} stdout P {first}\n{time} stderr F GET /\n{time} stdout F {last}\n")
        };
        lines.iter().map(row).collect()
    }),
];

#[test]
fn no_record_is_cut_where_a_block_ends() {
    let workload = simulate::workload(7, 4, 2000);
    for json in [false, true] {
        let entries = simulate::run(&workload, &course(1, json, None), &mut Dice(5));
        let lines = lines_of(&entries);
        for (name, document) in LONG_DOCUMENTS {
            let mut config = config(document(&lines).into_bytes());
            config.allow_foreign = true;
            assert_clean(&audit(&config), name);
        }
    }
}

/// An element of a list is no copy of the one before, wherever it stands.
#[test]
fn a_line_that_a_list_holds_twice_is_a_duplicate() {
    let workload = simulate::workload(7, 2, 15);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let lines = lines_of(&entries);
    for place in 0..lines.len() {
        let mut lines = lines.clone();
        lines.insert(place, lines[place].clone());
        let list = serde_json::json!(lines);
        let in_one_line = lines.join(",");
        let numbered = |(line, n): (&String, usize)| {
            (
                format!("N{n}"),
                serde_json::json!({"message": line, "n": n}),
            )
        };
        let numbered: serde_json::Map<_, _> = lines.iter().zip(10..).map(numbered).collect();
        let documents = [
            list.to_string(),
            serde_json::json!({"lines": list}).to_string(),
            serde_json::json!(numbered).to_string(),
            in_one_line,
        ];
        for document in documents {
            let verdict = audit(&config(document.into_bytes()));
            let doubled = Counts {
                duplicated: 1,
                ..Counts::default()
            };
            assert_eq!(verdict.runs[0].counts, doubled, "{}", report(&verdict));
        }
    }
}

/// What a pipeline has done to all lines is no thousand findings; what is damaged in one line is one.
#[test]
fn lines_that_are_all_rewritten_cannot_be_told() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let verdict = audit(&config(log.replace("\"seq\"", "\"sek\"").into_bytes()));
    assert_eq!(verdict.status, Status::CannotTell, "{}", report(&verdict));
    let all: Vec<_> = verdict.runs.iter().flat_map(|run| &run.findings).collect();
    assert!(
        all.is_empty() && verdict.stray_count == 0,
        "{}",
        report(&verdict)
    );
    let one = audit(&config(
        log.replacen("\"seq\":9,", "\"sek\":9,", 1).into_bytes(),
    ));
    assert_eq!(
        (one.status, one.runs[0].counts.altered),
        (Status::Findings, 1)
    );
    // Other values are no other way to write them, however many there are.
    let first = "\"attempt\":1,";
    let values = audit(&config(log.replace(first, "\"attempt\":9,").into_bytes()));
    let count = log.matches(first).count();
    assert!(count * 2 > entries.len(), "most lines are changed");
    assert_eq!(
        (values.status, values.runs[0].counts.altered),
        (Status::Findings, count as u64)
    );
}

/// Much that cannot be read hides no run behind it, whatever its form.
#[test]
fn a_run_is_found_behind_much_that_cannot_be_read() {
    let workload = simulate::workload(7, 4, 50);
    for json in [false, true] {
        let entries = simulate::run(&workload, &course(1, json, None), &mut Dice(5));
        let lines = lines_of(&entries);
        let another = lines.join("\n").replace("0000000000000001", "2");
        let unreadable = another.replace("sum", "hash") + "\n";
        let unreadable = unreadable.repeat((5 << 19) / unreadable.len());
        for layer in LAYERS {
            let mut log = unreadable.clone();
            for line in &lines {
                log += &layer(line.clone(), 42);
                log.push('\n');
            }
            let verdict = audit(&config(log.into_bytes()));
            let shape = layer(lines[0].clone(), 42);
            assert_eq!(verdict.runs.len(), 1, "{shape}");
            let run = &verdict.runs[0];
            let found = (run.lines, run.counts.lost, run.counts.altered);
            assert_eq!(found, (lines.len() as u64, 0, 0), "{shape}");
        }
    }
}

/// A header without what stands in front of each record is none of the program's lines, as is what a tool prints at the end; more
/// lines than a header has are.
#[test]
fn a_header_is_no_finding_and_more_than_that_is() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let log: String = log
        .lines()
        .map(|line| format!("host app: {line}\n"))
        .collect();
    for (front, behind) in [(16, 0), (0, 16), (16, 16), (17, 0), (0, 40)] {
        // What stands between them must not hide how many they are.
        let lines = |count: u64| {
            (0..count)
                .map(|n| format!("of a tool: {n}\n\n"))
                .collect::<String>()
        };
        let text = lines(front) + &log + &lines(behind);
        let verdict = audit(&config(text.into_bytes()));
        let found = verdict.stray_count + verdict.runs[0].counts.unexpected;
        let more = |count: u64| if count > 16 { count } else { 0 };
        assert_eq!(
            found,
            more(front) + more(behind),
            "{front}, {behind}: {}",
            report(&verdict)
        );
    }
}

/// The brace of what is around it ends no record.
#[test]
fn a_line_cut_short_within_braces_is_truncated() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    for (from, to) in [("{", "}"), ("{code}", "{code}"), ("Struct{x=", "}")] {
        let lines = log.lines().enumerate().map(|(number, line)| {
            let length = if number == 100 { 150 } else { line.len() };
            format!("{from}{}{to}\n", &line[..length])
        });
        let verdict = audit(&config(lines.collect::<String>().into_bytes()));
        let truncated = Counts {
            truncated: 1,
            ..Counts::default()
        };
        assert_eq!(
            verdict.runs[0].counts,
            truncated,
            "{from}: {}",
            report(&verdict)
        );
    }
}

/// However many lines of others there are that have a hash, what is damaged behind them is named.
#[test]
fn foreign_lines_with_hashes_do_not_wear_the_audit_out() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let other =
        "{\"level\":\"info\",\"sum\":\"01234567\",\"run\":\"0123456789abcdef\",\"seq\":1}\n";
    let (front, rest) = log.split_at(log.find('\n').unwrap() + 1);
    let rest = rest.replacen("completed successfully", "completed succesfully", 1);
    let mut config = config((front.to_owned() + &other.repeat(40) + &rest).into_bytes());
    config.allow_foreign = true;
    let verdict = audit(&config);
    let altered = Counts {
        altered: 1,
        ..Counts::default()
    };
    assert_eq!(verdict.runs[0].counts, altered, "{}", report(&verdict));
    assert!(verdict.cannot_tell.is_empty(), "{}", report(&verdict));
}

#[test]
fn names_in_other_cases_are_known() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let names = [
        "delay_us",
        "not_started",
        "failed_attempts",
        "failure_rate",
        "success_delay_us",
    ];
    let renamed = |other: fn(&str) -> String| {
        let log = names.iter().fold(log.clone(), |log, name| {
            log.replace(&format!("\"{name}\""), &format!("\"{}\"", other(name)))
        });
        audit(&config(log.into_bytes()))
    };
    let camel = |name: &str| {
        let mut words = name.split('_');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |name, word| {
            name + &word[..1].to_uppercase() + &word[1..]
        })
    };
    assert_clean(&renamed(camel), "camel case");
    assert_clean(&renamed(|name| name.replace('_', "-")), "kebab case");
    let other = [
        ("timestamp", "@t"),
        ("level", "logLevel"),
        ("message", "RenderedMessage"),
        ("thread", "threadTitle"),
    ];
    let renamed = other.iter().fold(log.clone(), |log, (name, other)| {
        log.replace(&format!("\"{name}\""), &format!("\"{other}\""))
    });
    assert_clean(&audit(&config(renamed.into_bytes())), "other names");
}

/// Which of the colours' escapes is undone shows in what can be read then.
#[test]
fn damaged_lines_in_colours_are_named() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    let log = String::from_utf8(simulate::log(&entries)).unwrap();
    let damaged = log
        .replacen("Started thread", "Started thraad", 1)
        .replacen("completed", "compl3ted", 1);
    let mut coloured = String::new();
    for line in damaged.lines() {
        let (stamp, rest) = line.split_at(27);
        coloured += &format!("host hifi: #033[2m{stamp}#033[0m#033[1m{rest}#033[0m\n");
    }
    for log in [damaged, coloured] {
        let verdict = audit(&config(log.into_bytes()));
        let altered = Counts {
            altered: 2,
            ..Counts::default()
        };
        assert_eq!(verdict.runs[0].counts, altered, "{}", report(&verdict));
    }
}

/// A document of another program is no more part of a log than its lines are.
#[test]
fn documents_of_other_programs_are_unexpected() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let mut lines: Vec<_> = entries.iter().map(|entry| &entry.bytes[..]).collect();
    let document = b"{\n  \"level\": \"info\",\n  \"user\": {\n    \"id\": 5\n  }\n}";
    lines.insert(lines.len() / 2, document);
    let verdict = audit(&config(lines.join(&b"\n"[..])));
    assert_eq!(verdict.runs[0].counts.unexpected, 3, "{}", report(&verdict));
}

#[test]
fn json_keys_in_any_order_with_foreign_ones_are_clean() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let mut log = String::new();
    for entry in &entries {
        let line: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&entry.bytes).unwrap();
        let mut turned: serde_json::Map<_, _> = line.into_iter().rev().collect();
        turned.insert("hostname".into(), "web-1".into());
        log += &serde_json::to_string(&turned).unwrap();
        log.push('\n');
    }
    assert_clean(&audit(&config(log.into_bytes())), "turned");
}

/// As protobuf writes OTLP's JSON: blanks behind colons, numbers behind the values, many records on a line or many lines for
/// one, and more of them than a block holds.
#[test]
fn fields_as_attributes_of_otlp_are_clean() {
    let workload = simulate::workload(7, 4, 200);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let records = entries.iter().map(|entry| {
        let line: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&entry.bytes).unwrap();
        let attributes = line.iter().map(|(key, value)| {
            let value = match value.as_u64() {
                Some(number) => serde_json::json!({"intValue": number.to_string()}),
                None => serde_json::json!({"stringValue": value}),
            };
            serde_json::json!({"key": key, "value": value, "keyStrindex": 0})
        });
        let attributes: Vec<_> = attributes.collect();
        serde_json::json!({"timeUnixNano": "1795000000000000000", "attributes": attributes})
    });
    let records: Vec<_> = records.collect();
    let request = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]});
    let lines = serde_json::to_string_pretty(&request).unwrap();
    let words = lines.lines().map(str::trim_start);
    let line = words.map(|word| {
        word.trim_end_matches(',').to_owned() + if word.ends_with(',') { ", " } else { "" }
    });
    let line: String = line.collect();
    for log in [lines, line + "\n"] {
        assert!(log.len() > 1_000_000);
        assert_clean(&audit(&config(log.clone().into_bytes())), &log[..300]);
    }
}

/// A binary format around lines of text: where it has a byte of 10, the audit sees a line, and none of another program.
#[test]
fn lines_in_a_binary_format_are_found() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    let framed = |entries: &[Entry]| {
        let mut log = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            if i % 20 == 0 {
                log.extend(b"\x0a\xb5\x07\x0a\x11\x0a\x0f\x0a\x09host.name\x12\x02\x0a\x00");
            }
            log.extend(b"\x12\x05\x2a\xc4\x01\x0a\xc1\x01");
            log.extend(&entry.bytes);
        }
        log
    };
    assert_clean(&audit(&config(framed(&entries))), "framed");
    let verdict = audit(&config(framed(&[&entries[..50], &entries[51..]].concat())));
    let lost = Counts {
        lost: 1,
        ..Counts::default()
    };
    assert_eq!(verdict.runs[0].counts, lost, "{}", report(&verdict));
    assert_eq!(verdict.stray_count, 0);
}

#[test]
fn rotated_parts_are_clean_in_any_order() {
    let (_, entries) = finished(5, 100);
    let third = entries.len() / 3;
    let parts = [
        &entries[..third],
        &entries[third..2 * third],
        &entries[2 * third..],
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let inputs = order.map(|i| Input::Bytes(format!("app.log.{i}"), simulate::log(parts[i])));
        assert_clean(&audit(&AuditConfig::new(inputs.to_vec())), "parts");
    }
}

#[test]
fn one_run_over_several_files_is_clean() {
    let (_, entries) = finished(5, 100);
    let files = [0, 1, 2].map(|n| {
        let of = |e: &&Entry| e.author.worker().map_or(0, |w| 1 + w % 2) == n;
        let part: Vec<Entry> = entries.iter().filter(of).cloned().collect();
        Input::Bytes(format!("part-{n}"), simulate::log(&part))
    });
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let inputs = order.map(|n| files[n].clone()).to_vec();
        assert_clean(&audit(&AuditConfig::new(inputs)), "split by author");
    }
}

#[test]
fn a_lost_head_is_lost_to_the_line() {
    let (workload, entries) = finished(3, 50);
    for drop in 1..entries.len() {
        let mut config = config(simulate::log(&entries[drop..]));
        config.fallback = Some(workload.clone());
        let verdict = audit(&config);
        let expected = Counts {
            lost: drop as u64,
            ..Counts::default()
        };
        assert_eq!(
            verdict.runs[0].counts,
            expected,
            "{drop}: {}",
            report(&verdict)
        );
        assert_eq!(verdict.exit_code(), 1);
    }
}

#[test]
fn a_shuffled_log_holds_every_line() {
    for json in [false, true] {
        let workload = simulate::workload(7, 5, 400);
        let mut dice = Dice(5);
        let mut entries = simulate::run(&workload, &course(1, json, None), &mut dice);
        for i in (1..entries.len()).rev() {
            entries.swap(i, dice.roll(i as u64 + 1) as usize);
        }
        let verdict = audit(&config(simulate::log(&entries)));
        let counts = verdict.runs[0].counts;
        assert!(counts.reordered > 1000, "{}", report(&verdict));
        let reordered = counts.reordered;
        assert_eq!(
            counts,
            Counts {
                reordered,
                ..Counts::default()
            },
            "{}",
            report(&verdict)
        );
    }
}

#[test]
fn a_lost_start_is_said_and_replaced_by_options() {
    let (workload, entries) = finished(3, 50);
    let mut config = config(simulate::log(&entries[1..]));
    let verdict = audit(&config);
    assert_eq!(verdict.exit_code(), 2, "{}", report(&verdict));
    assert!(report(&verdict).contains("\"Run started\" is not in the log"));
    config.fallback = Some(workload);
    let verdict = audit(&config);
    assert_eq!(verdict.exit_code(), 1);
    assert_eq!(
        verdict.runs[0].counts,
        Counts {
            lost: 1,
            ..Counts::default()
        }
    );
    config.allow_lost = 1;
    assert_eq!(audit(&config).exit_code(), 0);
}

#[test]
fn options_accept_what_they_say() {
    let (_, mut entries) = finished(3, 50);
    entries.insert(90, entries[80].clone());
    let mut config = config(simulate::log(&entries));
    assert_eq!(audit(&config).exit_code(), 1);
    config.at_least_once = true;
    assert_eq!(audit(&config).exit_code(), 0);
    entries.remove(100);
    config.inputs = vec![Input::Bytes("x".into(), simulate::log(&entries))];
    assert_eq!(audit(&config).exit_code(), 1);
}

#[test]
fn a_log_without_its_end_cannot_be_told_unless_it_was_killed() {
    let (_, entries) = finished(3, 50);
    for keep in 1..entries.len() {
        let bytes = simulate::log(&entries[..keep]);
        let mut config = config(bytes.clone());
        let verdict = audit(&config);
        assert_eq!(verdict.exit_code(), 2, "{keep}: {}", report(&verdict));
        config.killed = true;
        assert_clean(&audit(&config), "killed");
        // A fragment at the end is how a kill leaves a log.
        let fragment = [
            &bytes,
            &entries[keep].bytes[..entries[keep].bytes.len() / 2],
        ]
        .concat();
        config.inputs = vec![Input::Bytes("x".into(), fragment.clone())];
        assert_clean(&audit(&config), "fragment");
        // Another run goes on behind it.
        let again = simulate::run(
            &simulate::workload(8, 2, 9),
            &course(2, false, None),
            &mut Dice(2),
        );
        config.inputs = vec![Input::Bytes(
            "x".into(),
            [fragment, simulate::log(&again)].concat(),
        )];
        config.select = Select::Run(2);
        assert_clean(&audit(&config), "the run behind it");
        config.select = Select::All;
        assert_clean(&audit(&config), "both");
    }
}

#[test]
fn selection_leaves_other_runs_alone() {
    let (_, mut entries) = finished(3, 50);
    entries.remove(60);
    let mut later = course(2, false, None);
    later.start += 1_000_000_000;
    entries.extend(simulate::run(
        &simulate::workload(8, 2, 9),
        &later,
        &mut Dice(2),
    ));
    let mut config = config(simulate::log(&entries));
    for (select, code) in [
        (Select::All, 1),
        (Select::Last, 0),
        (Select::Run(1), 1),
        (Select::Run(2), 0),
        (Select::Run(3), 2),
    ] {
        config.select = select;
        assert_eq!(audit(&config).exit_code(), code, "{select:?}");
    }
}

#[test]
fn a_log_gap_says_what_is_lost() {
    let (_, mut entries) = finished(3, 50);
    let gone: Vec<Entry> = entries.drain(60..70).collect();
    let ranges: Vec<_> = gone
        .iter()
        .map(|e| {
            format!(
                "{}:{}",
                e.author.worker().map_or("main".into(), |w| w.to_string()),
                e.seq
            )
        })
        .collect();
    let event = Event::LogGap {
        lost: 10,
        ranges: ranges.join(","),
    };
    let last = entries.last().unwrap().clone();
    let gap = |event: &Event| Entry {
        bytes: render(1, Producer::Main, last.seq + 1, last.stamp, event, false),
        seq: last.seq + 1,
        event: event.clone(),
        ..last.clone()
    };
    let mut told = entries.clone();
    told.push(gap(&event));
    let verdict = audit(&config(simulate::log(&told)));
    let expected = Counts {
        lost: 10,
        announced: 10,
        ..Counts::default()
    };
    assert_eq!(verdict.runs[0].counts, expected, "{}", report(&verdict));
    let liar = Event::LogGap {
        lost: 11,
        ranges: format!("{},0:1", ranges.join(",")),
    };
    entries.push(gap(&liar));
    let verdict = audit(&config(simulate::log(&entries)));
    assert_eq!(verdict.runs[0].counts.books, 1, "{}", report(&verdict));
}

/// A copy that broke off.
#[cfg(feature = "monitoring")]
#[test]
fn a_compressed_log_that_is_cut_short_is_judged_as_far_as_it_goes() {
    use std::io::Write;
    let (_, entries) = finished(4, 400);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&simulate::log(&entries)).unwrap();
    let mut packed = packed.finish().unwrap();
    assert_clean(&audit(&config(packed.clone())), "packed");
    // What comes out of a damaged one proves nothing.
    let mut damaged = packed.clone();
    damaged[packed.len() / 2] ^= 4;
    assert_eq!(audit(&config(damaged)).exit_code(), 2);
    packed.truncate(packed.len() / 2);
    let verdict = audit(&config(packed));
    assert_eq!(verdict.exit_code(), 2, "{}", report(&verdict));
    let said = |why: &String| why.contains("cannot be read to its end");
    assert!(verdict.lines > 100 && verdict.cannot_tell.iter().any(said));
}
