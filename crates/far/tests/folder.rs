//! The folder of an environment: what people changed is theirs.

use std::fs;

use neargate_far::render::Files;
use neargate_far::render::folder::{EditedFiles, FolderError, eject, is_ejected, write};

fn files(main: &str) -> Files {
    let files = [
        ("main.tf", main),
        ("modules/network/main.tf", "# network\n"),
    ];
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

#[test]
fn files_are_written_once_and_then_only_where_they_differ() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = write(folder.path(), &files("a\n"), EditedFiles::Refuse).expect("it is written");
    assert_eq!(first.written, ["main.tf", "modules/network/main.tf"]);
    let again = write(folder.path(), &files("a\n"), EditedFiles::Refuse).expect("it is written");
    assert_eq!((again.written.len(), again.kept), (0, 2));
    let changed = write(folder.path(), &files("b\n"), EditedFiles::Refuse).expect("it is written");
    assert_eq!(changed.written, ["main.tf"]);
    let text = fs::read_to_string(folder.path().join("main.tf")).expect("the file");
    assert_eq!(text, "b\n");
}

#[test]
fn a_file_that_people_changed_is_refused_and_nothing_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &files("a\n"), EditedFiles::Refuse).expect("it is written");
    let (main, network) = (
        folder.path().join("main.tf"),
        folder.path().join("modules/network/main.tf"),
    );
    fs::write(&network, "# mine\n").expect("it is changed");
    let refused =
        write(folder.path(), &files("b\n"), EditedFiles::Refuse).expect_err("it is refused");
    let FolderError::Changed(paths) = refused else {
        panic!("{refused}")
    };
    assert_eq!(paths, ["modules/network/main.tf"]);
    assert_eq!(fs::read_to_string(&main).expect("the file"), "a\n");
    write(folder.path(), &files("b\n"), EditedFiles::Overwrite).expect("it is forced");
    assert_eq!(
        fs::read_to_string(&network).expect("the file"),
        "# network\n"
    );
}

#[test]
fn a_file_of_people_that_would_be_overwritten_is_refused_too() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("main.tf"), "mine\n").expect("it is there");
    let refused = write(folder.path(), &files("a\n"), EditedFiles::Refuse);
    assert!(matches!(refused, Err(FolderError::Changed(_))));
}

#[test]
fn files_that_are_no_longer_needed_go_unless_people_changed_them() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &files("a\n"), EditedFiles::Refuse).expect("it is written");
    let mut fewer = files("a\n");
    fewer.remove("modules/network/main.tf");
    let network = folder.path().join("modules/network/main.tf");
    fs::write(&network, "# mine\n").expect("it is changed");
    assert!(write(folder.path(), &fewer, EditedFiles::Refuse).is_err());
    fs::write(&network, "# network\n").expect("it is changed back");
    let written = write(folder.path(), &fewer, EditedFiles::Refuse).expect("it is written");
    assert_eq!(written.removed, ["modules/network/main.tf"]);
    assert!(!network.exists());
}

#[test]
fn a_list_that_names_files_elsewhere_removes_none_of_them() {
    let outer = tempfile::tempdir().expect("a folder");
    let folder = outer.path().join("prod");
    write(&folder, &files("a\n"), EditedFiles::Refuse).expect("it is written");
    let other = outer.path().join("other");
    fs::write(&other, "a\n").expect("it is there");
    let list = folder.join("rendered.sha256");
    let lines = fs::read_to_string(&list).expect("the list");
    let sum = lines.split("  ").next().expect("a sum").to_owned();
    fs::write(
        &list,
        format!("{lines}{sum}  ../other\n{sum}  {}\n", other.display()),
    )
    .expect("it is changed");
    write(&folder, &files("a\n"), EditedFiles::Overwrite).expect("it is written");
    assert!(other.exists());
}

#[test]
fn an_ejected_folder_is_never_written_to() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(
        eject(folder.path()),
        Err(FolderError::NotRendered(_))
    ));
    write(folder.path(), &files("a\n"), EditedFiles::Refuse).expect("it is written");
    eject(folder.path()).expect("it is ejected");
    eject(folder.path()).expect("twice is once");
    assert!(is_ejected(folder.path()));
    let refused = write(folder.path(), &files("b\n"), EditedFiles::Overwrite);
    assert!(matches!(refused, Err(FolderError::Ejected(_))));
}
