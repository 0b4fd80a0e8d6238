//! The web: documents at addresses.

use super::World;
use async_trait::async_trait;
use belfry_gateway::Web;
use bytes::Bytes;

#[async_trait]
impl Web for World {
    async fn get(&self, address: &str) -> Result<Bytes, String> {
        let mut web = self.web.lock().unwrap();
        web.asked.push(address.to_owned());
        let document = web.documents.get(address).cloned();
        document.ok_or_else(|| "there is no such document".to_owned())
    }
}
