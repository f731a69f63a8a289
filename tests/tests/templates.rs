//! The project that `trunkline plugin new` makes, for the languages that the plugin author's guide does not walk through:
//! every command of its README works, and the types of JavaScript's SDK hold.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use regex_lite::Regex;
use tempfile::TempDir;
use trunkline_tests::Router;

fn trunkline_in(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(Router::program()?).args(arguments).current_dir(folder).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A new project `vip`, in a folder of its own.
fn project(language: &str) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    trunkline_in(folder.path(), &["plugin", "new", "--lang", language, "vip"])?;
    let project = folder.path().join("vip");
    Ok((folder, project))
}

/// The compilers of this machine, and room of its own for what is compiled: a component with an interpreter differs from
/// one build to the next, and would fill the cache that all tests share.
fn cache() -> Result<TempDir> {
    let of_machine = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let of_machine = of_machine.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let tools = of_machine.context("neither XDG_CACHE_HOME nor HOME is set")?.join("trunkline/tools");
    fs::create_dir_all(&tools)?;
    let cache = tempfile::tempdir()?;
    fs::create_dir(cache.path().join("trunkline"))?;
    symlink(&tools, cache.path().join("trunkline/tools"))?;
    Ok(cache)
}

/// Runs the commands of a project's README in the project: all that they told.
fn as_its_readme_says(project: &Path) -> Result<String> {
    let readme = fs::read_to_string(project.join("README.md"))?;
    let commands: Vec<&str> = readme.lines().filter(|line| line.starts_with("    trunkline plugin ")).collect();
    ensure!(commands.len() == 4, "build, check, test and bench: {commands:?}");
    let program = Router::program()?;
    let beside = program.parent().context("the program lies in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([beside.to_owned()].into_iter().chain(std::env::split_paths(&path)))?;
    let script = format!("set -eux\n{}", commands.join("\n"));
    let cache = cache()?;
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(project).env("PATH", path).env("XDG_CACHE_HOME", cache.path());
    let output = bash.output()?;
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.success(), "{told}");
    Ok(told)
}

#[test]
fn the_project_of_a_plugin_in_c_works_as_its_readme_says() -> Result<()> {
    let (_folder, project) = project("c")?;
    let told = as_its_readme_says(&project)?;
    for line in [
        "imports   trunkline:routing/lookups@",
        "may reach the tables of the configuration (lookups)",
        "loads     yes\n",
        "3 of 3 calls as expected",
        "cold, µs",
    ] {
        assert!(told.contains(line), "no `{line}` in {told}");
    }
    Ok(())
}

#[test]
fn the_project_of_a_plugin_in_javascript_works_as_its_readme_says() -> Result<()> {
    let (_folder, project) = project("javascript")?;
    let told = as_its_readme_says(&project)?;
    for line in ["loads     yes\n", "3 of 3 calls as expected", "cold, µs"] {
        assert!(told.contains(line), "no `{line}` in {told}");
    }
    Ok(())
}

/// What TypeScript finds wrong in a JavaScript project; nothing where all is right.
fn type_errors(project: &Path) -> Result<String> {
    // Editors bring a TypeScript of today; Debian's may be 4.8, which has older names for the same.
    let settings = fs::read_to_string(project.join("jsconfig.json"))?;
    let of_today = ["es2023", "bundler"];
    ensure!(of_today.iter().all(|name| settings.contains(name)), "{settings}");
    fs::write(project.join("jsconfig.json"), settings.replace("es2023", "es2022").replace("bundler", "node"))?;
    let output = Command::new("tsc").args(["--project", "jsconfig.json"]).current_dir(project).output();
    let output = output.context("no tsc: it comes with `cargo xtask test`, or install node-typescript")?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() == told.is_empty(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    Ok(told)
}

/// A JavaScript project whose plugin is this text.
fn project_of(plugin: &str) -> Result<(TempDir, PathBuf)> {
    let (folder, project) = project("javascript")?;
    fs::write(project.join("plugin.js"), plugin)?;
    Ok((folder, project))
}

#[test]
fn the_types_of_the_javascript_sdk_hold_for_the_template_and_for_the_example() -> Result<()> {
    let (_folder, template) = project("javascript")?;
    assert_eq!(type_errors(&template)?, "");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples/javascript-ani/plugin.js");
    let (_folder, example) = project_of(&fs::read_to_string(example)?)?;
    assert_eq!(type_errors(&example)?, "");
    Ok(())
}

#[test]
fn the_types_of_the_javascript_sdk_find_what_a_stage_would_fail_of() -> Result<()> {
    for (wrong, error) in [
        (r#"route([to("carrier", { cost: 0.012 })])"#, "Type 'number' is not assignable to type 'string'"),
        (
            r#"proceed().attribute("level", lookup("vips", call.callee))"#,
            "not assignable to parameter of type 'string'",
        ),
        ("proceed().setheader('X-Vip', 'gold')", "Property 'setheader' does not exist on type 'Outcome'"),
        ("reject(call.calee)", "Property 'calee' does not exist on type 'Call'"),
    ] {
        let (_folder, project) = project_of(&format!(
            "import {{ lookup, proceed, reject, route, to }} from \"./trunkline/index.js\";\n\
             /** @param {{import(\"./trunkline/index.js\").Call}} call */\n\
             export function handle(call) {{\n  return {wrong};\n}}\n"
        ))?;
        let found = type_errors(&project)?;
        assert!(found.contains(error), "{wrong}: {found}");
    }
    Ok(())
}

#[test]
fn the_javascript_sdk_has_all_that_its_types_promise_and_nothing_else() -> Result<()> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/javascript/trunkline");
    let exported = Regex::new(r"(?m)^export (?:function|class) (\w+)")?;
    let method = Regex::new(r"(?m)^  (\w+)\(")?;
    let of = |file: &str| -> Result<BTreeSet<String>> {
        let text = fs::read_to_string(sdk.join(file))?;
        let (_, outcome) = text.split_once("export class Outcome {\n").context("a class Outcome")?;
        let (outcome, _) = outcome.split_once("\n}\n").context("which ends")?;
        let methods = method.captures_iter(outcome).map(|found| format!("Outcome.{}", &found[1]));
        let all = exported.captures_iter(&text).map(|found| found[1].to_owned()).chain(methods);
        Ok(all.filter(|name| name != "Outcome.constructor").collect())
    };
    let (promised, there) = (of("index.d.ts")?, of("index.js")?);
    assert_eq!(promised, there);
    assert!(promised.contains("lookup") && promised.contains("Outcome.setHeader"), "{promised:?}");
    Ok(())
}
