use super::*;

async fn run(bench: &Bench, path: &str) -> Result<u16, TreeError> {
    let node = bench.resolve(path, Rights::EXECUTE).await?;
    let invocation = bench.tree.invocation(&node, Profile::Draft)?;
    let mut running = bench.tree.execute(&invocation, None, &bench.principal()).await?;
    Ok(invocation.status(&running.finish().await))
}

#[tokio::test]
async fn a_programs_end_is_a_status() {
    let bench = Bench::new();
    assert_eq!(run(&bench, "Fine").await.unwrap(), 200);
    assert_eq!(run(&bench, "Mapped").await.unwrap(), 1503);
    assert_eq!(code(run(&bench, "Name").await), 405);
    assert_eq!(code(run(&bench, "").await), 405);
    assert_eq!(code(run(&bench, "Mute").await), 501, "nothing is mapped");
}

#[tokio::test]
async fn what_waits_for_the_end_of_the_session_says_so() {
    let bench = Bench::new();
    let node = bench.resolve("Later", Rights::EXECUTE).await.unwrap();
    let invocation = bench.tree.invocation(&node, Profile::Draft).unwrap();
    assert!(invocation.after_session);
    assert_eq!(invocation.alert_type, "urn:t:later");
}
